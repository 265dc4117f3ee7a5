package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

func salesKey(typ string, id crdt.ObjectID) crdt.Key {
	return crdt.Key{Scope: crdt.Sales, Type: typ, Object: id}
}

// TabView is a tab as this till shows it.
type TabView struct {
	State   string // one of the book's states, or StateClosed
	Receipt string // number of the receipt that closed it
	receipt.TabView
}

// StateClosed is the state of a tab that a receipt closed.
const StateClosed = "closed"

// Tab returns a tab. Of a closed one only its ID and the number of its receipt are known; the receipt has the rest.
func (t *Till) Tab(ctx context.Context, id crdt.ObjectID) (TabView, error) {
	if v, state, ok := t.book.Tab(id); ok {
		return TabView{State: string(state), TabView: v}, nil
	}
	by, err := t.closedBy(ctx, id)
	if err != nil {
		return TabView{}, err
	}
	if by == "" {
		return TabView{}, refuse(CodeNoTab, "list the open tabs with GET /api/v1/tabs", "there is no tab %v", id)
	}
	return TabView{State: StateClosed, Receipt: by, TabView: receipt.TabView{ID: id}}, nil
}

// closedBy returns the number of the receipt that closed a tab, "" if none did.
func (t *Till) closedBy(ctx context.Context, tab crdt.ObjectID) (string, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil || !obj.Gone {
		return "", err
	}
	r, err := t.receipt(ctx, obj.By)
	if errors.Is(err, ErrNotFound) {
		return obj.By.String(), nil
	}
	return r.Number, err
}

// openTab returns the view of a tab that can be changed, or why it cannot.
func (t *Till) openTab(ctx context.Context, id crdt.ObjectID) (receipt.TabView, error) {
	v, _, ok := t.book.Tab(id)
	if ok {
		return v, nil
	}
	return v, t.notOpen(ctx, id)
}

func (t *Till) notOpen(ctx context.Context, id crdt.ObjectID) error {
	by, err := t.closedBy(ctx, id)
	switch {
	case err != nil:
		return err
	case by != "":
		r := refuse(CodeTabClosed, "open a new tab", "the tab was closed with receipt %s", by)
		r.Ref = by
		return r
	}
	return refuse(CodeNoTab, "list the open tabs with GET /api/v1/tabs", "there is no tab %v", id)
}

// OpenTab opens a tab on this till. Opening the same ID again returns the tab as it is.
func (t *Till) OpenTab(ctx context.Context, n NewTab) (TabView, error) {
	if n.ID.IsZero() {
		n.ID = t.env.objectID()
	}
	defer t.tabs.own(n.ID)()
	if _, _, ok := t.book.Tab(n.ID); ok {
		return t.Tab(ctx, n.ID)
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, n.ID))
	if err != nil {
		return TabView{}, err
	}
	if obj.Gone {
		return TabView{}, t.notOpen(ctx, n.ID)
	}
	if err := t.room.openTab(); err != nil {
		return TabView{}, err
	}
	edit := receipt.TabEdit{Head: &receipt.Head{Name: n.Name, OpenedMS: t.clock.MS(), Till: t.id.Till, User: n.User, Shared: n.Shared, Training: n.Training}}
	if n.Note != "" {
		edit.Note = &receipt.Note{Text: n.Note}
	}
	if n.Customer != "" {
		edit.Customer = &receipt.Customer{Name: n.Customer}
	}
	pieces, err := receipt.EditTab(n.ID, obj, edit)
	if err != nil {
		return TabView{}, refuseInvalid(err)
	}
	if err := t.commit(ctx, crdt.Sales, receipt.Schema, pieces); err != nil {
		return TabView{}, err
	}
	t.stats.TabsOpened.Add(1)
	t.works(n.ID, n.User)
	return t.Tab(ctx, n.ID)
}

// refuseInvalid turns an error about a value into a refusal.
func refuseInvalid(err error) error {
	code := CodeText
	switch {
	case errors.Is(err, receipt.ErrOverflow):
		code = CodeOverflow
	case errors.Is(err, receipt.ErrQuantity):
		code = CodeQuantity
	case errors.Is(err, receipt.ErrDiscount):
		code = CodeDiscount
	case errors.Is(err, crdt.ErrUpdateNeeded):
		code = CodeUpdateNeeded
	case errors.Is(err, receipt.ErrInvalid), errors.Is(err, receipt.ErrRate):
	default:
		return err
	}
	return refuse(code, "", "%v", err)
}

// Tabs lists the open tabs of all tills, the oldest first.
func (t *Till) Tabs(context.Context) []book.Summary { return t.book.Tabs() }

// openCases lists the cases of open sales and of receipts that settled the same lines. What the book no longer remembers the receipts of is looked up:
// parts that merely came before what they belong to are no case.
func (t *Till) openCases(ctx context.Context) ([]book.Case, error) {
	all := append(t.book.Cases(), t.leftPayments()...)
	out := all[:0]
	for _, c := range all {
		if len(c.Receipts) > 0 || c.Kind == book.CaseUnreadable || c.Kind == book.CaseUnknown {
			out = append(out, c)
			continue
		}
		key := salesKey(receipt.TypeTab, c.Tab)
		if c.Tab.IsZero() {
			key = salesKey(receipt.TypeLine, c.Target)
		}
		obj, err := t.store.Object(ctx, key)
		if err != nil {
			return nil, err
		}
		if !obj.Gone {
			continue
		}
		c.Receipts, c.Numbers = []crdt.ObjectID{obj.By}, []string{""}
		if r, err := t.receipt(ctx, obj.By); err == nil {
			c.Numbers[0] = r.Number
		} else if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// today returns the business day and the settings it follows from.
func (t *Till) today(ctx context.Context, at time.Time) (string, shop.Settings, error) {
	s, err := t.Settings(ctx)
	if err != nil {
		return "", s, err
	}
	local, err := t.local(s, at)
	if err != nil {
		return "", s, err
	}
	return s.Day.BusinessDay(local), s, nil
}

func (t *Till) local(s shop.Settings, at time.Time) (time.Time, error) {
	zone := t.zone.Load() // reading one from the files of the machine costs as much as a line
	if zone == nil || zone.String() != s.Day.Zone {
		var err error
		if zone, err = time.LoadLocation(s.Day.Zone); err != nil {
			return at, hint(fmt.Errorf("time zone of the shop: %w", err), "set a time zone such as Europe/Berlin with PUT /api/v1/settings")
		}
		t.zone.Store(zone)
	}
	return at.In(zone), nil
}

// AddLines puts lines on a tab: none if one of them is refused. Several may add to the same tab at the same time. A line
// whose ID is there already is not added again. Up to 64 lines are one change; more of them are several, in their order,
// of which the last ones may be missing if the disk fails.
func (t *Till) AddLines(ctx context.Context, tab crdt.ObjectID, list []NewLine) ([]crdt.ObjectID, TabView, error) {
	if err := t.room.change(); err != nil {
		return nil, TabView{}, err
	}
	defer t.tabs.share(tab)()
	given := make([]crdt.ObjectID, 0, len(list))
	for i := range list {
		if !list[i].ID.IsZero() {
			given = append(given, list[i].ID)
		}
	}
	slices.SortFunc(given, crdt.ObjectID.Compare)
	for i, id := range given {
		if i > 0 && id == given[i-1] {
			return nil, TabView{}, refuse(CodeExists, "use a new ID", "line %v stands in the request twice", id)
		}
		// A request that comes again while the first one runs waits for it, and then finds the line.
		defer t.tabs.own(id)()
	}
	count, ok := t.book.LineCount(tab)
	training := t.book.Training(tab)
	if !ok {
		return nil, TabView{}, t.notOpen(ctx, tab)
	}
	if count+len(list) > receipt.MaxLines {
		return nil, TabView{}, refuse(CodeTooManyLines, "close this tab and open another one", "a tab has at most %d lines; this one has %d", receipt.MaxLines, count)
	}
	if err := t.unused(ctx, given); err != nil {
		return nil, TabView{}, err
	}
	now := t.clock.Now()
	day, settings, err := t.today(ctx, now)
	if err != nil {
		return nil, TabView{}, err
	}
	var pieces []crdt.Piece
	var added []crdt.ObjectID
	ids := make([]crdt.ObjectID, len(list))
	for i := range list {
		n := &list[i]
		if n.ID.IsZero() {
			n.ID = t.env.objectID()
		}
		ids[i] = n.ID
		if at, there := t.book.Line(n.ID); there {
			if at != tab {
				return nil, TabView{}, refuse(CodeExists, "use a new ID", "line %v is on another tab", n.ID)
			}
			continue
		}
		l, err := t.line(ctx, n, day, settings)
		if err != nil {
			return nil, TabView{}, err
		}
		l.Till, l.User, l.MS, l.Training = t.id.Till, n.User, now.UnixMilli(), training
		p, err := receipt.NewLine(n.ID, tab, l)
		if err != nil {
			return nil, TabView{}, refuseInvalid(err)
		}
		pieces, added = append(pieces, p...), append(added, n.ID)
	}
	if len(pieces) > 0 {
		notes := t.orderNotes(tab, orderLineNote, added...)
		if err := t.commitSplit(ctx, crdt.Sales, receipt.Schema, pieces, notes...); err != nil {
			return nil, TabView{}, err
		}
		t.ordered(notes)
		t.stats.LinesAdded.Add(uint64(len(pieces) / 2))
		t.works(tab, list[0].User)
	}
	v, err := t.Tab(ctx, tab)
	return ids, v, err
}

// unused refuses IDs of lines that are in the store and on no tab: they were settled, and a new line under such an ID
// would be dropped.
func (t *Till) unused(ctx context.Context, ids []crdt.ObjectID) error {
	var keys []crdt.Key
	for _, id := range ids {
		if _, there := t.book.Line(id); !there {
			keys = append(keys, salesKey(receipt.TypeLine, id))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	objects, err := t.store.ObjectsByID(ctx, keys)
	if err != nil {
		return err
	}
	for i, obj := range objects {
		switch {
		case obj.Gone:
			return refuse(CodeExists, "use a new ID", "line %v was settled already", keys[i].Object)
		case obj.Live():
			return refuse(CodeExists, "use a new ID", "line %v exists already", keys[i].Object)
		}
	}
	return nil
}

// line makes the snapshot of what is sold: everything as it is now, so that no later change reaches it.
func (t *Till) line(ctx context.Context, n *NewLine, day string, s shop.Settings) (receipt.Line, error) {
	l := receipt.Line{Quantity: n.Quantity, Takeaway: n.Away, CaseName: n.CaseName, Voucher: n.Voucher, Modifiers: n.Texts, Currency: s.Money.Currency}
	name, info, err := n.businessCase()
	if err != nil {
		return l, err
	}
	l.Case = name
	var taxID crdt.ObjectID
	if n.Open != nil {
		l.Name, l.UnitPrice, taxID = n.Open.Name, n.Open.Price, n.Open.Tax
	} else {
		a, err := t.Article(ctx, n.Article)
		switch {
		case errors.Is(err, ErrNotFound):
			return l, refuse(CodeUnknownArticle, "create the article first, or sell an open item with name, price and tax", "there is no article %v", n.Article)
		case err != nil:
			return l, err
		case a.Life.Archived:
			return l, refuse(CodeArchived, "sell another article, or bring it back with PUT /api/v1/articles", "article %q was archived", a.Names.In(catalog.DefaultLanguage))
		}
		p, err := a.PriceOn(day)
		if errors.Is(err, catalog.ErrNoPrice) {
			return l, refuse(CodeNoPrice, "give the article a price that begins today or earlier", "article %q has no price on %s", a.Names.In(catalog.DefaultLanguage), day)
		} else if err != nil {
			return l, err
		}
		if p.Currency != s.Money.Currency {
			return l, refuse(CodeCurrency, "give the article a price in the currency of the shop", "the price of %q is in %s, the shop sells in %s",
				a.Names.In(catalog.DefaultLanguage), p.Currency, s.Money.Currency)
		}
		if !p.Decimals && n.Quantity%1000 != 0 {
			return l, refuse(CodeQuantity, "send whole pieces: 1000, 2000, …", "article %q is sold in whole pieces", a.Names.In(catalog.DefaultLanguage))
		}
		list := receipt.Amount(p.Amount)
		l.Article, l.Number, l.Name, l.Short = n.Article, a.Codes.PLU, a.Names.In(catalog.DefaultLanguage), a.Names.Receipt[catalog.DefaultLanguage]
		l.Unit, l.UnitPrice, l.ListPrice, l.Group, taxID = p.Unit, list, &list, a.Place.Group, p.TaxFor(n.Away)
		if len(a.Codes.Barcodes) > 0 {
			l.GTIN = a.Codes.Barcodes[0]
		}
		if !l.Group.IsZero() {
			if g, err := t.Group(ctx, l.Group); err == nil {
				l.GroupName = g.Names.In(catalog.DefaultLanguage)
			} else if !errors.Is(err, ErrNotFound) {
				return l, err
			}
		}
	}
	if n.UnitPrice != nil {
		l.Overridden = n.Open == nil && *n.UnitPrice != l.UnitPrice
		l.UnitPrice = *n.UnitPrice
	}
	if err := checkCase(&l); err != nil {
		return l, err
	}
	l.Tax, err = t.lineTax(ctx, n, taxID, day, info)
	return l, err
}

// onTab checks that a line is on an open tab.
func (t *Till) onTab(ctx context.Context, tab, line crdt.ObjectID) (receipt.LineView, error) {
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return receipt.LineView{}, err
	}
	for _, l := range v.Lines {
		if l.ID == line {
			return l, nil
		}
	}
	return receipt.LineView{}, refuse(CodeNoLine, "look at the lines with GET /api/v1/tabs/{id}", "there is no line %v on the tab", line)
}

// VoidLine takes a line back, or part of it.
func (t *Till) VoidLine(ctx context.Context, tab, line crdt.ObjectID, n NewVoid) (TabView, error) {
	defer t.tabs.own(tab)()
	l, err := t.onTab(ctx, tab, line)
	if err != nil {
		return TabView{}, err
	}
	if n.ID.IsZero() {
		n.ID = t.env.objectID()
	}
	for _, v := range l.Voids {
		if v.ID == n.ID {
			return t.Tab(ctx, tab) // a repeated request
		}
	}
	whole := max(l.Line.Quantity, -l.Line.Quantity)
	if left := whole - l.Voided; n.Quantity > left || left == 0 {
		return TabView{}, refuse(CodeQuantity, "", "of this line %d thousandths are left", left)
	}
	pieces, err := receipt.NewVoid(n.ID, receipt.Void{Line: line, Quantity: n.Quantity, Reason: n.Reason, User: n.User,
		Till: t.id.Till, MS: t.clock.MS()})
	notes := t.orderNotes(tab, orderVoidNote, n.ID)
	defer t.ordered(notes)
	return t.writeTab(ctx, tab, pieces, err, notes...)
}

// Discount sets, changes or removes a discount on a line, or on the tab if line is zero.
func (t *Till) Discount(ctx context.Context, tab, line crdt.ObjectID, n NewDiscount) (TabView, error) {
	defer t.tabs.own(tab)()
	d := receipt.Discount{Target: tab, On: receipt.OnTab, Kind: receipt.DiscountAmount, Amount: n.Amount, Reason: n.Reason, User: n.User,
		Till: t.id.Till, MS: t.clock.MS()}
	if n.Percent {
		d.Kind, d.Percent, d.Amount = receipt.DiscountPercent, n.Rate, 0
	}
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return TabView{}, err
	}
	limit := max(v.Totals.Gross, -v.Totals.Gross)
	for _, x := range v.Discounts {
		if x.ID == d.ID() {
			limit += max(x.Amount, -x.Amount)
		}
	}
	if !line.IsZero() {
		l, err := t.onTab(ctx, tab, line)
		if err != nil {
			return TabView{}, err
		}
		d.Target, d.On = line, receipt.OnLine
		limit = max(l.Total.Base, -l.Total.Base)
	}
	if d.Amount > limit {
		return TabView{}, refuse(CodeDiscount, "give a smaller discount", "a discount of %d is more than the %d it reduces", d.Amount, limit)
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeDiscount, d.ID()))
	if err != nil {
		return TabView{}, err
	}
	pieces, err := receipt.EditDiscount(obj, d)
	return t.writeTab(ctx, tab, pieces, err)
}

// writeTab writes the pieces of one change of a tab, with notes, and returns the tab after it.
func (t *Till) writeTab(ctx context.Context, tab crdt.ObjectID, pieces []crdt.Piece, err error, notes ...replication.Note) (TabView, error) {
	if err != nil {
		return TabView{}, refuseInvalid(err)
	}
	if len(pieces) > 0 {
		if err := t.room.change(); err != nil {
			return TabView{}, err
		}
		change := t.change(crdt.Sales, receipt.Schema, pieces)
		change.Notes = notes
		if _, err := t.save(ctx, change); err != nil {
			return TabView{}, err
		}
		t.touch(tab)
	}
	return t.Tab(ctx, tab)
}

// payment checks a new payment for a tab as it is viewed.
func (t *Till) payment(tab crdt.ObjectID, n NewPayment, v receipt.TabView) (receipt.Payment, error) {
	if !receipt.PaymentType(n.Type) || n.Type == receipt.NoPayment {
		return receipt.Payment{}, refuse(CodePayment, "use Bar, ECKarte, Kreditkarte, Unbar, ElZahlungsdienstleister or Guthabenkarte",
			"%.40q is no type of payment", n.Type)
	}
	if n.Amount == 0 {
		return receipt.Payment{}, refuse(CodeAmount, "send the amount in minor units", "a payment of 0")
	}
	if n.Amount < 0 && v.Totals.Gross >= 0 && v.Due >= 0 {
		return receipt.Payment{}, refuse(CodeAmount, "money is paid out only where the total is negative, or more was paid than it", "a payment of %d", n.Amount)
	}
	if err := checkForeign(n, v.Currency); err != nil {
		return receipt.Payment{}, err
	}
	p := receipt.Payment{Tab: tab, Type: n.Type, Name: n.Name, Amount: n.Amount, Tendered: n.Tendered, Foreign: n.Foreign, User: n.User, Till: t.id.Till, MS: t.clock.MS()}
	if err := p.Check(); err != nil {
		if errors.Is(err, receipt.ErrOverflow) {
			return p, refuseInvalid(err)
		}
		return p, refuse(CodeAmount, "", "%v", err)
	}
	return p, nil
}

// beyond reports whether a payment is more than what is due, or goes the other way.
func beyond(paid, due receipt.Amount) bool {
	if due < 0 {
		return paid < due || paid > 0
	}
	return paid > due
}

// Pay enters a payment for a tab. Only the till that holds the tab takes payment for it.
func (t *Till) Pay(ctx context.Context, tab crdt.ObjectID, n NewPayment) (Paid, error) {
	if n.ID.IsZero() {
		n.ID = t.env.objectID()
	}
	if n.Terminal {
		return t.payByCard(ctx, tab, n)
	}
	release, err := t.room.sale()
	if err != nil {
		return Paid{}, err
	}
	defer release()
	if err := t.mustHold(ctx, tab, n.User); err != nil {
		return Paid{}, err
	}
	defer t.tabs.own(tab)()
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return Paid{}, err
	}
	for _, p := range v.Payments {
		if p.ID == n.ID {
			return Paid{ID: n.ID, Due: v.Due, Change: v.Change}, nil
		}
	}
	p, err := t.payment(tab, n, v)
	if err != nil {
		return Paid{}, err
	}
	if p.Type != receipt.CashType && beyond(p.Amount, v.Due) {
		return Paid{}, refuse(CodeOverpaid, "only cash gives change", "%d are due, %d were sent", v.Due, p.Amount)
	}
	pieces, err := receipt.NewPayment(n.ID, p, "")
	if err != nil {
		return Paid{}, refuseInvalid(err)
	}
	change := t.change(crdt.Sales, receipt.Schema, pieces)
	change.Urgent = true
	if _, err := t.save(ctx, change); err != nil {
		return Paid{}, err
	}
	t.stats.PaymentsTaken.Add(1)
	t.works(tab, n.User)
	paid := Paid{ID: n.ID, Due: v.Due - p.Amount}
	// Another till may have closed the tab meanwhile. The payment was taken all the same, and is shown as a case.
	if now, _, open := t.book.Tab(tab); open {
		paid.Due, paid.Change = now.Due, now.Change
	}
	return paid, nil
}
