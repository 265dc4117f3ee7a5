package api

// examples are bodies of requests for the document, by operation.
var examples = map[string]string{
	"put-settings": `{"shop_name": "Café Sonnenschein", "business": {"name": "Sonnenschein GmbH", "street": "Hauptstr. 1",
 "postcode": "10115", "town": "Berlin", "country": "DE", "tax_number": "12/345/67890"}}`,
	"put-article": `{"names": {"de": "Espresso"}, "plu": "12", "barcodes": ["4001234567890"],
 "prices": [{"from": "2026-01-01", "price": 340, "currency": "EUR", "tax": "mxw3ydbzzkxdm5sjlbhrtzhxmu"}]}`,
	"write-articles": `{"articles": [{"names": {"de": "Espresso"}, "plu": "12",
 "prices": [{"from": "2026-01-01", "price": 340, "tax": "mxw3ydbzzkxdm5sjlbhrtzhxmu"}]}]}`,
	"put-group":     `{"names": {"de": "Heißgetränke"}, "sort": 1}`,
	"put-tax":       `{"names": {"de": "MwSt. normal"}, "rates": [{"from": "2020-01-01", "rate": 1900, "key": 1}]}`,
	"open-tab":      `{"name": "Tisch 4", "user": "Anna"}`,
	"claim-tab":     `{"user": "Anna"}`,
	"add-lines":     `{"article": "aaaqeayeaudaocajbifqydiob4", "quantity": 2000, "user": "Anna"}`,
	"void-line":     `{"quantity": 1000, "reason": "falsch getippt", "user": "Anna"}`,
	"discount-line": `{"kind": "percent", "basis_points": 1000, "reason": "Stammgast"}`,
	"discount-tab":  `{"kind": "amount", "amount": 100}`,
	"pay-tab":       `{"type": "Bar", "amount": 680, "tendered": 1000, "user": "Anna"}`,
	"close-tab":     `{"user": "Anna", "payments": [{"type": "Bar", "amount": 680, "tendered": 1000}]}`,
	"invite-till":   `{}`,
}
