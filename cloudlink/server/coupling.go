package server

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
)

func (s *Server) addCoupling() {
	show := operation(http.MethodGet, "/api/v1/coupling/terms", "Coupling", "get-terms", "Say what an account may read and write of a shop",
		`A till shows this before somebody confirms.`)
	add(s, show, nothing, s.getTerms)
	s.mark(show, func(r *route) { r.public = true })
	prepare := operation(http.MethodPost, "/api/v1/coupling/prepare", "Coupling", "prepare-coupling", "Begin to couple a till",
		`By a session of the account (the header Authorization) or by a coupling code, which is not used up by this. Answers with the
account, the terms to be shown, and the nonce to be signed. Nothing is coupled yet.`)
	add(s, prepare, nothing, s.prepareCoupling)
	couple := created(operation(http.MethodPost, "/api/v1/couplings", "Coupling", "couple-till", "Couple a till and its shop",
		`With the same session or code, once somebody confirmed. The till signs a text with its device key and shows the admissions that
make it a till of the shop. The first coupling gives the shop to the account; a shop of another account is refused with
"wrong-account".`))
	add(s, couple, nothing, s.couple)
	for _, op := range []opDoc{prepare, couple} {
		s.mark(op, func(r *route) { r.either = true })
	}
	s.mark(prepare, func(r *route) { r.secret = true }) // it changes nothing: a repetition needs no kept answer
}

// access is what an account may do with one kind of data.
type access struct {
	Kind  string `json:"kind" doc:"Stable" example:"articles"`
	Text  string `json:"text" doc:"For people"`
	Read  bool   `json:"read"`
	Write bool   `json:"write"`
}

// terms say what an account may read and write.
type terms struct {
	Version int      `json:"version" doc:"Grows when the list changes"`
	Access  []access `json:"access" nullable:"false"`
	NotRead string   `json:"not_read" doc:"What never leaves the shop, for people"`
}

func showTerms() terms {
	out := terms{Version: coupling.TermsVersion, NotRead: coupling.NotRead}
	for _, a := range coupling.Terms() {
		out.Access = append(out.Access, access{a.Kind, a.Text, a.Read, a.Write})
	}
	return out
}

func (s *Server) getTerms(context.Context, *struct{}) (terms, error) { return showTerms(), nil }

type prepareIn struct {
	Body struct {
		Code     string `json:"code,omitempty" maxLength:"64" doc:"Coupling code, as it was typed; left out with a session" example:"7K3M-9QXA"`
		Shop     string `json:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop"`
		Till     string `json:"till" minLength:"52" maxLength:"52" doc:"ID of the till"`
		TillName string `json:"till_name" maxLength:"200" doc:"Name of the till" example:"Kasse 3"`
	}
}

// preparedCoupling is what a till shows before somebody confirms.
type preparedCoupling struct {
	Account string `json:"account" doc:"ID of the account, 26 characters"`
	Name    string `json:"name" doc:"Of the account" example:"anna@sonnenschein.example"`
	Cloud   string `json:"cloud" doc:"ID of the cloud's key, 52 characters"`
	Nonce   string `json:"nonce" doc:"To be signed, 32 bytes in hexadecimal"`
	Expires string `json:"expires" doc:"Of the nonce, RFC 3339"`
	Shop    string `json:"shop" enum:"new,known" doc:"new: the shop will belong to the account; known: it does already"`
	Terms   terms  `json:"terms" doc:"What the account may read and write"`
}

// warrant returns by what somebody couples: a session if there is one, else a code.
func warrant(ctx context.Context, code, tillName string) (accounts.Warrant, error) {
	a := askingOf(ctx)
	w := accounts.Warrant{Code: code, TillName: tillName, From: a.from}
	switch {
	case a.known && code != "":
		return w, invalid("body.code", "body.code: send a code or a session, not both")
	case a.known:
		w.Caller = &a.caller
	case code == "":
		return w, newProblem(http.StatusUnauthorized, accounts.CodeUnauthorized, "sign in, or type a coupling code", "there is neither a session nor a code")
	}
	return w, nil
}

func (s *Server) prepareCoupling(ctx context.Context, in *prepareIn) (preparedCoupling, error) {
	shop, err := parseShop("body.shop", in.Body.Shop)
	if err != nil {
		return preparedCoupling{}, err
	}
	till, err := parseTill("body.till", in.Body.Till)
	if err != nil {
		return preparedCoupling{}, err
	}
	w, err := warrant(ctx, in.Body.Code, in.Body.TillName)
	if err != nil {
		return preparedCoupling{}, err
	}
	p, err := s.o.Accounts.Prepare(ctx, w, shop, till)
	return preparedCoupling{
		Account: objectText(p.Account.ID), Name: p.Account.Name, Cloud: tillText(p.Cloud), Nonce: hex.EncodeToString(p.Nonce[:]),
		Expires: instant(p.Expires), Shop: string(p.Shop), Terms: showTerms(),
	}, err
}

// rosterItem is one item of the shop's roster.
type rosterItem struct {
	Type string `json:"type" maxLength:"64" example:"admission"`
	ID   string `json:"id" minLength:"26" maxLength:"26" doc:"Object ID of the item"`
	Raw  []byte `json:"raw" doc:"The item verbatim, base64"`
}

type coupleIn struct {
	Body struct {
		Code      string       `json:"code,omitempty" maxLength:"64" doc:"Coupling code; left out with a session" example:"7K3M-9QXA"`
		Confirmed bool         `json:"confirmed" doc:"Somebody saw the account and the terms and said yes"`
		Shop      string       `json:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop"`
		ShopName  string       `json:"shop_name" maxLength:"200" example:"Café Sonnenschein"`
		Till      string       `json:"till" minLength:"52" maxLength:"52" doc:"ID of the till"`
		TillName  string       `json:"till_name" maxLength:"200" example:"Kasse 3"`
		Host      string       `json:"host" maxLength:"300" doc:"Name under which the till reached this cloud" example:"cloud.example"`
		Nonce     string       `json:"nonce" minLength:"64" maxLength:"64" doc:"As it was given, hexadecimal"`
		Signature string       `json:"signature" minLength:"128" maxLength:"128" doc:"Ed25519 signature of the device key over the claim (package coupling), hexadecimal"`
		Roster    []rosterItem `json:"roster" nullable:"false" minItems:"1" maxItems:"4096" doc:"Admissions, retirements and revocations of the shop, from its founder to this till"`
	}
}

// coupledTill is what came of coupling.
type coupledTill struct {
	Account string `json:"account" doc:"ID of the account"`
	Name    string `json:"name" doc:"Of the account"`
	First   bool   `json:"first" doc:"The shop was coupled by this; else it was before"`
	Device  device `json:"device"`
	Key     string `json:"key" doc:"Public key of the cloud, Ed25519, 32 bytes in hexadecimal"`
	Proof   string `json:"proof" doc:"Its signature that it took this claim (package coupling), 64 bytes in hexadecimal"`
}

func (s *Server) couple(ctx context.Context, in *coupleIn) (coupledTill, error) {
	if !in.Body.Confirmed {
		return coupledTill{}, newProblem(http.StatusConflict, codeConfirm, "show the account and the terms, and ask", "nobody confirmed it; nothing was coupled")
	}
	c, err := in.read()
	if err != nil {
		return coupledTill{}, err
	}
	w, err := warrant(ctx, in.Body.Code, in.Body.TillName)
	if err != nil {
		return coupledTill{}, err
	}
	done, err := s.o.Accounts.Couple(ctx, w, c)
	if err != nil {
		return coupledTill{}, err
	}
	claim := coupling.Claim{Nonce: c.Nonce, Cloud: s.o.Accounts.Cloud(), Host: c.Host, Account: done.Account.ID, Shop: c.Shop, Till: c.Till, Name: c.TillName}
	key := s.o.DB.Installation().Key
	proof, err := claim.Confirm(key)
	return coupledTill{
		done.Account.ID.String(), done.Account.Name, done.First, showDevice(done.Device),
		hex.EncodeToString(key.Public().(ed25519.PublicKey)), hex.EncodeToString(proof), //nolint:forcetypeassert // by definition
	}, err
}

// read turns the texts of the request into what they mean.
func (in *coupleIn) read() (c accounts.Coupling, err error) {
	c = accounts.Coupling{ShopName: in.Body.ShopName, TillName: in.Body.TillName, Host: in.Body.Host}
	if c.Shop, err = parseShop("body.shop", in.Body.Shop); err != nil {
		return c, err
	}
	if c.Till, err = parseTill("body.till", in.Body.Till); err != nil {
		return c, err
	}
	nonce, err := parseHex("body.nonce", in.Body.Nonce, coupling.NonceSize)
	if err != nil {
		return c, err
	}
	copy(c.Nonce[:], nonce)
	if c.Signature, err = parseHex("body.signature", in.Body.Signature, ed25519.SignatureSize); err != nil {
		return c, err
	}
	for i, item := range in.Body.Roster {
		id, err := crdt.ParseObjectID(item.ID)
		if err != nil {
			field := "body.roster[" + strconv.Itoa(i) + "].id"
			return c, invalid(field, "%s: %v", field, err)
		}
		c.Roster = append(c.Roster, accounts.Item{Type: item.Type, ID: id, Raw: item.Raw})
	}
	return c, nil
}
