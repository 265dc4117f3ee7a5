package receipt

// CaseInfo is what the books make of a business case.
type CaseInfo struct {
	Turnover bool // it is a sale of goods or services, or takes one back
	CashOnly bool // it moves cash and sells nothing: one line, one payment in cash, no tax
}

// cases are the business cases (GV_TYP) of DSFinV-K 2.4.
var cases = map[string]CaseInfo{
	SaleCase: {Turnover: true}, "Pfand": {Turnover: true}, "PfandRueckzahlung": {Turnover: true}, "Rabatt": {Turnover: true},
	"Aufschlag": {Turnover: true}, "ZuschussEcht": {}, "ZuschussUnecht": {Turnover: true},
	"TrinkgeldAG": {Turnover: true}, "TrinkgeldAN": {},
	"EinzweckgutscheinKauf": {Turnover: true}, "EinzweckgutscheinEinloesung": {Turnover: true},
	"MehrzweckgutscheinKauf": {}, "MehrzweckgutscheinEinloesung": {},
	"Forderungsentstehung": {}, "Forderungsaufloesung": {},
	"Anzahlungseinstellung": {Turnover: true}, "Anzahlungsaufloesung": {Turnover: true},
	CaseFloat: {CashOnly: true}, "Privatentnahme": {CashOnly: true}, "Privateinlage": {CashOnly: true}, CaseTransit: {CashOnly: true},
	"Lohnzahlung": {CashOnly: true}, CaseIn: {CashOnly: true}, CaseOut: {CashOnly: true}, CaseDifference: {CashOnly: true},
}

// Business cases that the till itself books.
const (
	CaseFloat      = "Anfangsbestand"   // cash in the drawer when a period begins
	CaseTransit    = "Geldtransit"      // cash to or from the bank, a safe or another till
	CaseIn         = "Einzahlung"       // cash put in
	CaseOut        = "Auszahlung"       // cash taken out
	CaseDifference = "DifferenzSollIst" // counted less expected
	CaseTip        = "TrinkgeldAN"      // a tip for an employee
)

// KeyNotTaxable is the tax key (UST_SCHLUESSEL) of what is not taxable. It needs no tax rate of the shop.
const KeyNotTaxable = "5"

// BusinessCase returns what a business case is, and whether it is one of DSFinV-K.
func BusinessCase(name string) (CaseInfo, bool) {
	info, ok := cases[name]
	return info, ok
}

// paymentTypes are the payment types (ZAHLART_TYP) of DSFinV-K 2.4.
var paymentTypes = map[string]bool{CashType: true, "Unbar": true, NoPayment: true, "ECKarte": true, "Kreditkarte": true,
	"ElZahlungsdienstleister": true, "Guthabenkarte": true}

// NoPayment is the payment type of a receipt on which nothing is to be paid. Exports write it; no payment has it.
const NoPayment = "Keine"

// PaymentType reports whether a text is a payment type of DSFinV-K.
func PaymentType(name string) bool { return paymentTypes[name] }
