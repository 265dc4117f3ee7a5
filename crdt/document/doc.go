// Package document is how documents read and write their registers: a record field by field, a value with its checks,
// a register that several tills wrote apart, and an edit that writes only what changes.
//
// A package of documents states its [Rules] once. For each register or item it has a value type, which reads itself so:
//
//	f := rules.Parse(raw)
//	return document.Checked(f, "head of a tab", Head{Name: f.Text("n"), OpenedMS: f.Int("m")})
//
// and writes itself, if it is the value of a register, so:
//
//	return rules.Edit(old, func(rec *crdt.Record) { rec.SetString("n", h.Name); rec.SetInt("m", h.OpenedMS) })
//
// What several registers say together is shown with [Shown], [Collect] and [Conflicts], and edited with a [Writer].
//
// The package knows records and registers, and no document. It is pure: it knows no clock, no randomness and no store.
package document

// Rules are what the documents of one package have in common.
type Rules struct {
	// Schema is the highest version of a record that the package understands. A record that asks for a newer one is
	// refused with [crdt.ErrUpdateNeeded].
	Schema uint32
	// Invalid is what errors about values against the rules wrap.
	Invalid error
}

// MaxUnixMillis is the latest time a document may name, in Unix milliseconds: about the year 10889.
const MaxUnixMillis = 1 << 48
