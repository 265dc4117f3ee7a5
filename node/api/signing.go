package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal"
)

func (s *server) addSigning() {
	add(s, operation(http.MethodGet, "/api/v1/signing", "Till", "get-signing", "How the signing device is doing",
		`The device that the country of the shop wants: a TSE in Germany, a signature unit in Austria. If it does not work, selling goes
on: each receipt says so, the outage is logged, and the till tries the device every 10 seconds. Without a device kind is empty.`), s.getSigning)
	add(s, created(operation(http.MethodPost, "/api/v1/signing/check", "Till", "check-signing", "Have a receipt signed that comes to nothing",
		`Asks a device that failed at once, and issues a control receipt (Kontrollbeleg). It takes a number like every receipt.`)), s.checkSigning)
	op := operation(http.MethodGet, "/api/v1/signing/dep", "Till", "get-signing-dep", "Get the log of signed receipts",
		`DEP 7 of the Austrian RKSV for the present number series of this till: all receipts of the signature chain in the form that
authorities' tools read, as a stream.`)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The log", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
	}}
	s.describe(&op)
	s.doc.OpenAPI().AddOperation(&op)
	s.raw("GET /api/v1/signing/dep", route{stream: true}, s.getDEP)
}

// signingState is how the signing device is doing.
type signingState struct {
	Kind        string          `json:"kind" enum:",tse,rksv" doc:"Empty: this till has no signing device"`
	Description string          `json:"description,omitempty" doc:"For people"`
	Client      string          `json:"client,omitempty" doc:"What the device calls this till: the serial number of the till, or the Kassen-ID"`
	Serial      string          `json:"serial,omitempty" doc:"Of the device, or of its certificate; left out as long as it was not asked"`
	PublicKey   string          `json:"public_key,omitempty" doc:"base64"`
	Check       string          `json:"check_value,omitempty" doc:"rksv: of the key of the turnover counter, for FinanzOnline"`
	Notice      string          `json:"notice,omitempty" doc:"Has to be printed on every receipt" example:"KEINE ZERTIFIZIERTE TSE"`
	Works       bool            `json:"works"`
	Since       string          `json:"since,omitempty" doc:"It works, or does not, since then, RFC 3339; at the earliest since the till started"`
	Reason      string          `json:"reason,omitempty" doc:"Why it does not work"`
	Print       string          `json:"print,omitempty" doc:"What receipts say in clear while it does not work" example:"TSE ausgefallen"`
	Turnover    *int64          `json:"turnover,omitempty" doc:"rksv: turnover counter, minor units"`
	Unsigned    int64           `json:"unsigned" doc:"Numbers that were not signed in all outages"`
	Outages     []signingOutage `json:"outages" nullable:"false" doc:"The last 100, the latest first"`
}

// signingOutage is a time in which the device did not work.
type signingOutage struct {
	Begin  string `json:"begin" doc:"RFC 3339"`
	End    string `json:"end,omitempty" doc:"RFC 3339; left out while it goes on"`
	Reason string `json:"reason"`
	First  string `json:"first,omitempty" doc:"First number that was not signed; left out if all were" example:"K2-000418"`
	Last   string `json:"last,omitempty" doc:"Last number that was not signed" example:"K2-000431"`
	Count  int64  `json:"count" doc:"Numbers that were not signed"`
}

func (s *server) getSigning(ctx context.Context, _ *struct{}) (signingState, error) {
	const outages = 100
	r, err := s.till.SigningReport(ctx, outages)
	if err != nil || r == nil {
		return signingState{Outages: []signingOutage{}}, err
	}
	out := signingState{
		Kind: r.Kind, Description: r.Description, Client: r.Client, Serial: r.Serial, PublicKey: r.PublicKey, Check: r.Check, Notice: r.Notice,
		Works: r.Works, Since: instant(r.Since), Reason: r.Reason, Unsigned: r.Unsigned, Outages: []signingOutage{},
	}
	if !r.Works {
		out.Print = r.Outage
	}
	if r.Chained {
		out.Turnover = &r.SigningState.Chain.Counter
	}
	for _, o := range r.Outages {
		out.Outages = append(out.Outages, showOutage(o))
	}
	return out, nil
}

func showOutage(o journal.Outage) signingOutage {
	out := signingOutage{Begin: instantMS(o.Begin), End: instantMS(o.End), Reason: o.Reason, Count: o.Count}
	if o.Count > 0 {
		out.First, out.Last = receipt.NumberText(o.Series, o.First), receipt.NumberText(o.Series, o.Last)
	}
	return out
}

// checking has the signing device checked.
type checking struct {
	User string `json:"user,omitempty" maxLength:"200" doc:"Who wants it"`
}

type checkSigningIn struct {
	Body *checking
}

func (s *server) checkSigning(ctx context.Context, in *checkSigningIn) (closedReceipt, error) {
	r, err := s.till.CheckSigning(ctx, had(in.Body, checking{}).User)
	if err != nil {
		return closedReceipt{}, err
	}
	return s.showReceipt(r), nil
}

// receiptSigning is what a receipt has to show of its signing device.
type receiptSigning struct {
	Kind    string `json:"kind,omitempty" enum:"tse,rksv" doc:"Left out if the receipt was not signed by a device"`
	QR      string `json:"qr,omitempty" doc:"Text of the QR code to print"`
	Print   string `json:"print,omitempty" doc:"To be printed in clear: the device did not work" example:"TSE ausgefallen"`
	Failure string `json:"failure,omitempty" doc:"Why it did not work"`
	Notice  string `json:"notice,omitempty" doc:"To be printed" example:"KEINE ZERTIFIZIERTE TSE"`
	Ordered string `json:"ordered_at,omitempty" doc:"To be printed: when the first order was signed, RFC 3339; left out if there was none"`
}

func showSigning(r node.Receipt) *receiptSigning {
	v := node.ViewSecurity(&r.Parsed)
	if v == (node.SecurityView{}) {
		return nil
	}
	return &receiptSigning{Kind: v.Kind, QR: v.QR, Print: v.Outage, Failure: v.Failure, Notice: v.Notice, Ordered: v.Ordered}
}

// signingStatus says in short how the signing device is doing.
type signingStatus struct {
	Kind   string `json:"kind" enum:"tse,rksv"`
	Works  bool   `json:"works"`
	Since  string `json:"since" doc:"It works, or does not, since then, RFC 3339"`
	Reason string `json:"reason,omitempty" doc:"Why it does not work"`
	Print  string `json:"print,omitempty" doc:"What receipts say in clear while it does not work" example:"TSE ausgefallen"`
	Notice string `json:"notice,omitempty" doc:"Has to be printed on every receipt" example:"KEINE ZERTIFIZIERTE TSE"`
}

func showSigningStatus(v node.SigningStatus) *signingStatus {
	if v.Kind == "" {
		return nil
	}
	out := &signingStatus{Kind: v.Kind, Works: v.Works, Since: instant(v.Since), Reason: v.Reason, Notice: v.Notice}
	if !v.Works {
		out.Print = v.Outage
	}
	return out
}

// getDEP sends the log of signed receipts.
func (s *server) getDEP(w http.ResponseWriter, r *http.Request) {
	if err := s.till.HasDEP(r.Context()); err != nil {
		s.problemOf(r.Context(), err).write(w)
		return
	}
	out := &download{w: w, control: http.NewResponseController(w), kind: "application/json", name: "dep7.json"}
	err := s.till.WriteDEP(r.Context(), out)
	switch {
	case err == nil:
	case !out.begun:
		s.problemOf(r.Context(), err).write(w)
	default:
		s.log.WarnContext(r.Context(), "a log of signed receipts was not finished", "error", err)
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
}
