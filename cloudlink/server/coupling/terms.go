package coupling

// Access is what an account may do with one kind of data of the shop.
type Access struct {
	Kind  string // stable
	Text  string // for people
	Read  bool
	Write bool
}

// Terms lists what an account may read and write of a shop that is coupled with it. A till shows it before somebody
// confirms. The list is about the present program; another version says so in [TermsVersion].
func Terms() []Access {
	return []Access{
		{"receipts", "receipts, cancellations and refunds of all tills: kept in the archive, never changed", true, false},
		{"closings", "closings of all tills: kept in the archive, never changed", true, false},
		{"articles", "articles, groups and taxes: kept with every version, and changed when you change them at the cloud", true, true},
		{"customers", "customers: kept with every version", true, false},
		{"settings", "settings of the shop and the list of its tills", true, false},
		{"devices", "which tills are coupled and when they were last heard; a till can be cut off from the cloud", true, true},
	}
}

// TermsVersion grows with every change of [Terms].
const TermsVersion = 1

// NotRead is what never leaves the shop.
const NotRead = "Settings of a single till, such as its printer, and the keys of the shop stay in the shop."
