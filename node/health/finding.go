package health

import (
	"slices"
	"time"
)

// Finding is one cause.
type Finding struct {
	Code     Code
	Severity Severity
	Since    time.Time // when it began, or when [History] saw it first; zero: not known
	Tills    []string  // names of the other tills concerned
	Values   Values
	Details  []string // plain facts for support, in English: what was tried and what came of it
}

// Values go into the sentences. Which are set depends on the code.
type Values struct {
	Port    uint16        `json:",omitzero"`
	Where   string        `json:",omitzero"` // adapter, network or address
	Span    time.Duration `json:",omitzero"`
	Bytes   uint64        `json:",omitzero"`
	Count   uint64        `json:",omitzero"`
	Via     string        `json:",omitzero"`
	Program string        `json:",omitzero"`
}

// found makes a finding with the severity of its code.
func found(code Code, since time.Time, v Values, tills ...string) Finding {
	return Finding{Code: code, Severity: severities[code], Since: since, Values: v, Tills: tills}
}

// key tells findings apart that have one code.
func (f Finding) key() string {
	key := string(f.Code)
	for _, t := range f.Tills {
		key += "\x00" + t
	}
	return key
}

// Title is the cause in one sentence.
func (f Finding) Title(l Language) string { return f.fill(texts[f.Code][l].title, l) }

// Do says what to do, empty if nothing.
func (f Finding) Do(l Language) string { return f.fill(texts[f.Code][l].do, l) }

// sorted puts the worst first; of equal ones the order in which the rules found them stays.
func sorted(list []Finding) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int { return int(b.Severity) - int(a.Severity) })
	return list
}
