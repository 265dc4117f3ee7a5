package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addTabWork() {
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/lines/{line}/move", "Sales", "move-line", "Put a line on another tab",
		`With its voids and discounts; what was given on the whole tab stays there. A line that is there already stays.`), s.moveLine)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/move", "Sales", "move-lines", "Put several lines on another tab", ``), s.moveLines)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/split", "Sales", "split-tab", "Split a tab by lines, by parts of lines, or into shares",
		`With lines: lines and parts of lines go to another tab, which is opened if it is not there; what goes and what stays come together
to what the tab came to, to the cent. With equal or amounts: nothing is changed; the answer says what each guest pays, and what of it
falls on each tax. A tab that is paid in shares stays one sale: enter each share as a payment, and close it when all are paid.`), s.splitTab)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/merge", "Sales", "merge-tab", "Merge a tab into another one",
		`Its lines and payments are shown there from then on. Nothing is moved, so it can be undone while the other tab is open. A discount on
the tab that is merged does not apply; give it again if it is meant.`), s.mergeTab)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/unmerge", "Sales", "unmerge-tab", "Take a merged tab out again",
		`Lines and payments that were entered for it before it was merged go with it, and what was merged into it.`), s.unmergeTab)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/transfer", "Sales", "transfer-tab", "Hand a tab over to a user or a till",
		`The rules are those of a claim: from a till that works on it, it is taken only by force. It is kept in the history of the tab.`), s.transferTab)
	add(s, operation(http.MethodGet, "/api/v1/tabs/{id}/history", "Sales", "tab-history", "See who took a tab over",
		`Take-overs by force or from a till that did not answer, and hand-overs. They are kept when the tab is closed.`), s.tabHistory)
	addQuiet(s, operation(http.MethodPost, "/api/v1/tabs/{id}/presence", "Sales", "set-presence", "Say that somebody looks at a tab, or left it",
		`The other tills show who works where. Say it again every 10 seconds while it lasts; after 30 seconds of silence it is forgotten.
Whoever changes a tab counts as working on it for 90 seconds.`), s.setPresence)
}

// movedTabs are two tabs after lines went from one to the other.
type movedTabs struct {
	From tab `json:"from"`
	To   tab `json:"to"`
}

func (s *server) showMoved(m node.Moved, err error) (movedTabs, error) {
	if err != nil {
		return movedTabs{}, err
	}
	return movedTabs{s.showTab(m.From), s.showTab(m.To)}, nil
}

// moveOne says where a line goes.
type moveOne struct {
	To string `json:"to" minLength:"26" maxLength:"26" doc:"ID of an open tab" example:"aaaqeayeaudaocajbifqydiob4"`
}

func (s *server) moveLine(ctx context.Context, in *withLine[moveOne]) (movedTabs, error) {
	id, line, err := in.objects()
	if err != nil {
		return movedTabs{}, err
	}
	to, err := parseObject("body.to", in.Body.To)
	if err != nil {
		return movedTabs{}, err
	}
	return s.showMoved(s.till.MoveLines(ctx, id, to, []crdt.ObjectID{line}))
}

// moveSeveral says which lines go where.
type moveSeveral struct {
	To    string   `json:"to" minLength:"26" maxLength:"26" doc:"ID of an open tab" example:"aaaqeayeaudaocajbifqydiob4"`
	Lines []string `json:"lines" minItems:"1" maxItems:"500" nullable:"false" doc:"IDs"`
}

func (s *server) moveLines(ctx context.Context, in *withID[moveSeveral]) (movedTabs, error) {
	id, err := in.object()
	if err != nil {
		return movedTabs{}, err
	}
	to, err := parseObject("body.to", in.Body.To)
	if err != nil {
		return movedTabs{}, err
	}
	lines := make([]crdt.ObjectID, len(in.Body.Lines))
	for i, text := range in.Body.Lines {
		if lines[i], err = parseObject("body.lines["+strconv.Itoa(i)+"]", text); err != nil {
			return movedTabs{}, err
		}
	}
	return s.showMoved(s.till.MoveLines(ctx, id, to, lines))
}

// split says how a tab is split. Exactly one of lines, equal and amounts is given.
type split struct {
	Lines   []splitLine `json:"lines,omitempty" minItems:"1" maxItems:"500" nullable:"false" doc:"What goes to another tab"`
	To      string      `json:"to,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"With lines: ID of an open tab, or of a new one; left out: a new one"`
	Name    string      `json:"name,omitempty" maxLength:"200" doc:"With lines: name of a new tab; left out: that of the tab that is split"`
	User    string      `json:"user,omitempty" maxLength:"200" doc:"Who does it"`
	Equal   int         `json:"equal,omitempty" minimum:"0" maximum:"100" doc:"Into so many equal shares" example:"3"`
	Amounts []int64     `json:"amounts,omitempty" minItems:"1" maxItems:"100" nullable:"false" doc:"Into shares of these amounts, in minor units; the rest is one more"`
}

// splitLine is a line, or part of one.
type splitLine struct {
	Line     string `json:"line" minLength:"26" maxLength:"26" doc:"ID" example:"aaaqeayeaudaocajbifqydiob4"`
	Quantity int64  `json:"quantity,omitempty" minimum:"0" maximum:"1000000000" doc:"Thousandths; left out or 0: all that is left of it" example:"1000"`
}

// splitAnswer is what came of a split.
type splitAnswer struct {
	From   *tab    `json:"from,omitempty" doc:"With lines: the tab"`
	To     *tab    `json:"to,omitempty" doc:"With lines: where they are now"`
	Shares []share `json:"shares,omitempty" nullable:"false" doc:"With equal or amounts"`
}

// share is what one guest pays.
type share struct {
	Amount int64       `json:"amount" doc:"Minor units" example:"820"`
	Rates  []rateShare `json:"rates" nullable:"false" doc:"What of it falls on each tax, the highest rate first"`
}

// rateShare is what of a share falls on one tax.
type rateShare struct {
	Tax   string `json:"tax" doc:"ID of the tax"`
	Rate  int64  `json:"rate" doc:"Basis points" example:"1900"`
	Gross int64  `json:"gross" doc:"Minor units" example:"820"`
}

func (s *server) splitTab(ctx context.Context, in *withID[split]) (splitAnswer, error) {
	id, err := in.object()
	if err != nil {
		return splitAnswer{}, err
	}
	b := in.Body
	given := 0
	for _, is := range []bool{b.Lines != nil, b.Equal != 0, b.Amounts != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return splitAnswer{}, invalid("body.lines", "body.lines: send lines, equal or amounts, and only one of them")
	}
	if b.Lines != nil {
		return s.splitLines(ctx, id, b)
	}
	var shares []node.Share
	if b.Equal != 0 {
		shares, err = s.till.EqualShares(ctx, id, b.Equal)
	} else {
		amounts := make([]receipt.Amount, len(b.Amounts))
		for i, a := range b.Amounts {
			if amounts[i], err = checkAmount("body.amounts["+strconv.Itoa(i)+"]", a); err != nil {
				return splitAnswer{}, err
			}
		}
		shares, err = s.till.SharesBy(ctx, id, amounts)
	}
	out := splitAnswer{Shares: make([]share, 0, len(shares))}
	for _, sh := range shares {
		shown := share{Amount: int64(sh.Amount), Rates: make([]rateShare, 0, len(sh.Rates))}
		for _, r := range sh.Rates {
			shown.Rates = append(shown.Rates, rateShare{objectText(r.Tax.ID), int64(r.Tax.Rate), int64(r.Gross)})
		}
		out.Shares = append(out.Shares, shown)
	}
	return out, err
}

func (s *server) splitLines(ctx context.Context, id crdt.ObjectID, b split) (out splitAnswer, err error) {
	n := node.Split{Name: b.Name, User: b.User}
	if n.To, err = parseObject("body.to", b.To); err != nil {
		return out, err
	}
	if n.To.IsZero() {
		n.To = freshID(ctx, "split tab", 0)
	}
	for i, l := range b.Lines {
		line, err := parseObject("body.lines["+strconv.Itoa(i)+"].line", l.Line)
		if err != nil {
			return out, err
		}
		n.Parts = append(n.Parts, node.SplitPart{Line: line, Quantity: receipt.Quantity(l.Quantity)})
		if void := freshID(ctx, "split part", i); !void.IsZero() {
			n.PartIDs = append(n.PartIDs, void)
		}
	}
	moved, err := s.till.SplitTab(ctx, id, n)
	if err != nil {
		return out, err
	}
	from, to := s.showTab(moved.From), s.showTab(moved.To)
	return splitAnswer{From: &from, To: &to}, nil
}

// mergeInto says into which tab another one is merged.
type mergeInto struct {
	Into string `json:"into" minLength:"26" maxLength:"26" doc:"ID of an open tab" example:"aaaqeayeaudaocajbifqydiob4"`
}

func (s *server) mergeTab(ctx context.Context, in *withID[mergeInto]) (movedTabs, error) {
	id, err := in.object()
	if err != nil {
		return movedTabs{}, err
	}
	into, err := parseObject("body.into", in.Body.Into)
	if err != nil {
		return movedTabs{}, err
	}
	return s.showMoved(s.till.MergeTab(ctx, id, into))
}

func (s *server) unmergeTab(ctx context.Context, in *oneIn) (movedTabs, error) {
	id, err := in.object()
	if err != nil {
		return movedTabs{}, err
	}
	return s.showMoved(s.till.UnmergeTab(ctx, id))
}

// transfer says to whom a tab goes.
type transfer struct {
	Till  string `json:"till,omitempty" maxLength:"200" doc:"ID, prefix or name of the till; left out: this one" example:"K2"`
	User  string `json:"user,omitempty" maxLength:"200" doc:"Who goes on with it" example:"Bela"`
	By    string `json:"by,omitempty" maxLength:"200" doc:"Who says so" example:"Anna"`
	Force bool   `json:"force,omitempty" doc:"Take it from somebody who works on it"`
}

func (s *server) transferTab(ctx context.Context, in *withID[transfer]) (claimed, error) {
	id, err := in.object()
	if err != nil {
		return claimed{}, err
	}
	b := in.Body
	to := node.Transfer{User: b.User, By: b.By, Force: b.Force}
	if b.Till != "" {
		about, err := s.till.FindTill(b.Till)
		if err != nil {
			return claimed{}, err
		}
		to.Till = about.ID
	}
	c, err := s.till.TransferTab(ctx, id, to)
	if err != nil {
		return claimed{}, err
	}
	return s.showClaimed(c), nil
}

// tabHistory is who took a tab over.
type tabHistory struct {
	Items []tabTakeover `json:"items" nullable:"false" doc:"The first one first"`
}

// tabTakeover is one change of who holds a tab.
type tabTakeover struct {
	At      string `json:"at" doc:"RFC 3339"`
	How     string `json:"how" enum:"forced,unreachable,transferred" doc:"forced: somebody worked on it; unreachable: the till that held it did not answer"`
	From    person `json:"from" doc:"Who held it"`
	To      person `json:"to" doc:"Who holds it from then on"`
	By      string `json:"by,omitempty" doc:"Who said so, if not the one who got it"`
	Payment bool   `json:"payment,omitempty" doc:"A card payment had been begun at the other till, and nobody knew what became of it"`
}

func (s *server) tabHistory(ctx context.Context, in *oneIn) (tabHistory, error) {
	out := tabHistory{Items: []tabTakeover{}}
	id, err := in.object()
	if err != nil {
		return out, err
	}
	list, err := s.till.TabHistory(ctx, id)
	if err != nil {
		return out, err
	}
	for _, t := range list {
		out.Items = append(out.Items, tabTakeover{At: instantMS(t.MS), How: t.How, From: s.person(t.From, t.FromUser, 0),
			To: s.person(t.Till, t.User, t.Epoch), By: t.By, Payment: t.Payment})
	}
	return out, nil
}
