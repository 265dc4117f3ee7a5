package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addLines() {
	add(s, created(operation(http.MethodPost, "/api/v1/tabs/{id}/lines", "Sales", "add-lines", "Add a line, or several",
		`Send one line, or several under "lines": then all are added or none. Any till may add to any tab at any time. A line
names an article, whose name, price and tax are copied as they are now, or is an open item with a name, tax and price of its
own. A line whose ID is on the tab already is not added again. A tab has at most 500 lines.`)), s.addLinesTo)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/lines/{line}/void", "Sales", "void-line", "Take a line back, or part of it",
		`The line stays visible with what was taken back.`), s.voidLine)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/lines/{line}/discount", "Sales", "discount-line", "Set a discount on a line",
		`A line has at most one discount of each kind; 0 removes it.`), s.discountLine)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/discount", "Sales", "discount-tab", "Set a discount on a tab",
		`A tab has at most one discount of each kind; 0 removes it. It is spread over the taxes and lines to the cent.`), s.discountTab)
}

// NewLine is a line to be added. It is exported only because huma does not look into embedded structs that are not.
type NewLine struct {
	ID        string    `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters; left out: a new one is drawn"`
	Article   string    `json:"article,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the article" example:"aaaqeayeaudaocajbifqydiob4"`
	Open      *openItem `json:"open,omitempty" doc:"Instead of an article"`
	Quantity  *int64    `json:"quantity,omitempty" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"Thousandths, up to 1,000,000,000 either way and not 0; negative for a return; left out: 1000" example:"1000"`
	UnitPrice *int64    `json:"unit_price,omitempty" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"Gross in minor units, instead of the article's price"`
	Takeaway  bool      `json:"takeaway,omitempty" doc:"Taken away: the tax for that applies"`
	User      string    `json:"user,omitempty" maxLength:"200" doc:"Who enters it" example:"Anna"`
	Case      string    `json:"business_case,omitempty" maxLength:"40" doc:"GV_TYP of DSFinV-K: Umsatz, Pfand, PfandRueckzahlung, Rabatt, Aufschlag, ZuschussEcht, ZuschussUnecht, TrinkgeldAG, TrinkgeldAN, EinzweckgutscheinKauf, EinzweckgutscheinEinloesung, MehrzweckgutscheinKauf, MehrzweckgutscheinEinloesung, Forderungsentstehung, Forderungsaufloesung, Anzahlungseinstellung or Anzahlungsaufloesung; left out: Umsatz. What is no turnover, such as a tip for an employee or a voucher for anything, needs no tax"`
	CaseName  string    `json:"business_case_name,omitempty" maxLength:"200" doc:"Own name for a kind of that case"`
	Voucher   string    `json:"voucher,omitempty" maxLength:"200" doc:"Number of the voucher that is sold or redeemed"`
	Text      []string  `json:"text,omitempty" maxItems:"50" nullable:"false" doc:"Modifiers, at most 200 characters each" example:"[\"ohne Zucker\"]"`
}

// openItem is something sold that is no article.
type openItem struct {
	Name   string `json:"name" minLength:"1" maxLength:"200" example:"Geschenkpapier"`
	Tax    string `json:"tax,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the tax; left out: tax_key, or the business case, says that there is none"`
	TaxKey string `json:"tax_key,omitempty" enum:"5" doc:"Instead of a tax: 5 is not taxable"`
	Price  int64  `json:"price" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"Gross, in minor units" example:"150"`
}

// newLines is one line, or several.
type newLines struct {
	Lines []NewLine `json:"lines,omitempty" minItems:"1" maxItems:"500" nullable:"false" doc:"Several lines; then no other member may be given"`
	NewLine
}

// linesAdded is what came of adding lines.
type linesAdded struct {
	Line  *line     `json:"line,omitempty" doc:"The line, if one was sent"`
	Lines []line    `json:"lines,omitempty" nullable:"false" doc:"The lines in the order they were sent, if several were"`
	Tab   tabTotals `json:"tab"`
}

// tabTotals is the short form of a tab.
type tabTotals struct {
	ID     string `json:"id"`
	Totals totals `json:"totals"`
}

func (s *server) addLinesTo(ctx context.Context, in *withID[newLines]) (linesAdded, error) {
	id, err := in.object()
	if err != nil {
		return linesAdded{}, err
	}
	given, field := in.Body.Lines, "body.lines["
	single := given == nil
	if single {
		given = []NewLine{in.Body.NewLine}
	} else if in.Body.NewLine.given() {
		return linesAdded{}, invalid("body.lines", "body.lines: send one line or several under lines, not both")
	}
	list := make([]node.NewLine, len(given))
	for i := range given {
		at := "body."
		if !single {
			at = field + strconv.Itoa(i) + "]."
		}
		if list[i], err = given[i].line(at); err != nil {
			return linesAdded{}, err
		}
		if list[i].ID.IsZero() {
			list[i].ID = freshID(ctx, "line", i)
		}
	}
	ids, v, err := s.till.AddLines(ctx, id, list)
	if err != nil {
		return linesAdded{}, err
	}
	out := linesAdded{Tab: tabTotals{v.ID.String(), showTotals(v)}}
	for _, id := range ids {
		k := slices.IndexFunc(v.Lines, func(l receipt.LineView) bool { return l.ID == id })
		if k < 0 { // closed by another till in the same moment
			continue
		}
		out.Lines = append(out.Lines, showLine(&v.Lines[k]))
	}
	if single && len(out.Lines) == 1 {
		out.Line, out.Lines = &out.Lines[0], nil
	}
	return out, nil
}

func (n *NewLine) given() bool {
	return n.ID != "" || n.Article != "" || n.Open != nil || n.Quantity != nil || n.UnitPrice != nil || n.Takeaway || n.User != "" || n.Text != nil || n.Case != "" || n.CaseName != "" || n.Voucher != ""
}

func (n *NewLine) line(field string) (out node.NewLine, err error) {
	if (n.Article == "") == (n.Open == nil) {
		return out, invalid(field+"article", "%sarticle: name an article, or an open item", field)
	}
	if out.ID, err = parseObject(field+"id", n.ID); err != nil {
		return out, err
	}
	if out.Article, err = parseObject(field+"article", n.Article); err != nil {
		return out, err
	}
	if out.Quantity, err = checkQuantity(field+"quantity", had(n.Quantity, 1000)); err != nil {
		return out, err
	}
	if n.UnitPrice != nil {
		price, err := checkAmount(field+"unit_price", *n.UnitPrice)
		if err != nil {
			return out, err
		}
		out.UnitPrice = &price
	}
	if n.Open != nil {
		out.Open = &node.OpenItem{Name: n.Open.Name, TaxKey: n.Open.TaxKey}
		if out.Open.Tax, err = parseObject(field+"open.tax", n.Open.Tax); err != nil {
			return out, err
		}
		if out.Open.Price, err = checkAmount(field+"open.price", n.Open.Price); err != nil {
			return out, err
		}
	}
	out.Away, out.User, out.Texts = n.Takeaway, n.User, n.Text
	out.Case, out.CaseName, out.Voucher = n.Case, n.CaseName, n.Voucher
	return out, nil
}

// withLine names a tab and a line of it in the path and has a body.
type withLine[B any] struct {
	ID   string `path:"id" minLength:"26" maxLength:"26" doc:"ID of the tab, 26 characters" example:"aaaqeayeaudaocajbifqydiob4"`
	Line string `path:"line" minLength:"26" maxLength:"26" doc:"ID of the line, 26 characters" example:"aaaqeayeaudaocajbifqydiob4"`
	Body B
}

func (in withLine[B]) objects() (tab, line crdt.ObjectID, err error) {
	if tab, err = parseObject("path.id", in.ID); err == nil {
		line, err = parseObject("path.line", in.Line)
	}
	return tab, line, err
}

// newVoid is what is to be taken back.
type newVoid struct {
	Quantity int64  `json:"quantity,omitempty" minimum:"0" maximum:"1000000000" doc:"Thousandths; left out or 0: all of it"`
	Reason   string `json:"reason,omitempty" maxLength:"200" example:"falsch getippt"`
	User     string `json:"user,omitempty" maxLength:"200" doc:"Who does it"`
}

func (s *server) voidLine(ctx context.Context, in *withLine[*newVoid]) (tab, error) {
	id, line, err := in.objects()
	if err != nil {
		return tab{}, err
	}
	b := had(in.Body, newVoid{})
	v, err := s.till.VoidLine(ctx, id, line, node.NewVoid{ID: freshID(ctx, "void", 0), Quantity: receipt.Quantity(b.Quantity), Reason: b.Reason, User: b.User})
	if err != nil {
		return tab{}, err
	}
	return s.showTab(v), nil
}

// newDiscount is a discount to be set.
type newDiscount struct {
	Kind        string `json:"kind" enum:"percent,amount"`
	BasisPoints *int64 `json:"basis_points,omitempty" minimum:"0" maximum:"10000" doc:"percent: 1000 is 10 %, 0 removes it" example:"1000"`
	Amount      *int64 `json:"amount,omitempty" minimum:"0" maximum:"10000000000000" doc:"amount: minor units, 0 removes it"`
	Reason      string `json:"reason,omitempty" maxLength:"200"`
	User        string `json:"user,omitempty" maxLength:"200" doc:"Who does it"`
}

func (n newDiscount) discount() (node.NewDiscount, error) {
	out := node.NewDiscount{Percent: n.Kind == receipt.DiscountPercent, Reason: n.Reason, User: n.User}
	needed, other, name := n.Amount, n.BasisPoints, "amount"
	if out.Percent {
		needed, other, name = n.BasisPoints, n.Amount, "basis_points"
	}
	if needed == nil || other != nil {
		return out, invalid("body."+name, "body.%s: a discount of the kind %s needs it, and no other number", name, n.Kind)
	}
	if out.Percent {
		out.Rate = receipt.Rate(*needed)
	} else {
		out.Amount = receipt.Amount(*needed)
	}
	return out, nil
}

func (s *server) discountLine(ctx context.Context, in *withLine[newDiscount]) (tab, error) {
	id, line, err := in.objects()
	if err != nil {
		return tab{}, err
	}
	return s.discount(ctx, id, line, in.Body)
}

func (s *server) discountTab(ctx context.Context, in *withID[newDiscount]) (tab, error) {
	id, err := in.object()
	if err != nil {
		return tab{}, err
	}
	return s.discount(ctx, id, crdt.ObjectID{}, in.Body)
}

func (s *server) discount(ctx context.Context, id, line crdt.ObjectID, n newDiscount) (tab, error) {
	d, err := n.discount()
	if err != nil {
		return tab{}, err
	}
	v, err := s.till.Discount(ctx, id, line, d)
	if err != nil {
		return tab{}, err
	}
	return s.showTab(v), nil
}
