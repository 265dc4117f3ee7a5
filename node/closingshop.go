package node

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

const (
	// topicClosing asks another till to make its own closing.
	topicClosing   = "closing"
	closingVersion = 1
	// closingTries is how often a till is asked whose answer was lost; it makes one closing for all of them.
	closingTries = 3
	// maxClosingAsk is how many bytes a question or an answer may have.
	maxClosingAsk = 16 << 10
)

// What became of the closing of a till in a [ShopClosing].
const (
	ShopMade        = "made"
	ShopUnreachable = "not-reachable" // it makes its own when somebody is there; this till's day stays provisional
	ShopRefused     = "refused"       // Text says why
)

// ShopClosing is what became of a closing of the whole shop: each till makes its own.
type ShopClosing struct {
	Own   Closing
	Tills []TillClosing // the other tills that are in use, by name
}

// TillClosing is what became of the closing of another till.
type TillClosing struct {
	Till    crdt.TillID
	Name    string
	State   string        // one of the Shop constants
	Closing string        // such as "K2 Z 17"
	ID      crdt.ObjectID // of that closing
	Code    string        // of the refusal, such as open-tabs; may be empty
	Text    string        // why it was not made
}

// CloseShop makes the closing of this till, and asks each other till to make its own now. They keep their open tabs, and
// nobody counts their drawers. Asked again with the same idempotency key they answer with the closing they made.
func (t *Till) CloseShop(ctx context.Context, n NewClosing) (ShopClosing, error) {
	ask := closingAsk{Version: closingVersion, ID: t.env.objectID().String(), User: n.User, Reason: n.Reason}
	if r, ok := ctx.Value(requestKey{}).(request); ok {
		sum := sha256.Sum256(append([]byte("closing of the shop\x00"), r.key...))
		ask.ID = crdt.ObjectID(sum[:16]).String()
	}
	var out ShopClosing
	var err error
	if out.Own, err = t.CloseTill(ctx, n); err != nil {
		return out, err
	}
	for _, till := range t.roster.activeTills() {
		if till != t.id.Till {
			out.Tills = append(out.Tills, TillClosing{Till: till, Name: t.roster.name(till)})
		}
	}
	var asking sync.WaitGroup
	for i := range out.Tills {
		asking.Go(func() { t.askForClosing(ctx, &out.Tills[i], ask) })
	}
	asking.Wait()
	return out, ctx.Err()
}

// closingAsk asks a till for its closing. It travels as JSON.
type closingAsk struct {
	Version int    `json:"v"`
	ID      string `json:"id"` // the same for every time that one closing of the shop is asked for
	User    string `json:"user,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// closingAnswer is the answer to it.
type closingAnswer struct {
	Version int    `json:"v"`
	ID      string `json:"id,omitempty"`
	Text    string `json:"text,omitempty"` // of the closing
	Code    string `json:"code,omitempty"` // of the refusal
	Why     string `json:"why,omitempty"`
}

func (t *Till) askForClosing(ctx context.Context, to *TillClosing, ask closingAsk) {
	question, err := json.Marshal(ask)
	var body []byte
	for tries := closingTries; err == nil && tries > 0; tries-- {
		body, err = t.replicator.Ask(ctx, to.Till, topicClosing, question)
		if err == nil || ctx.Err() != nil {
			break
		}
		if tries > 1 && errors.Is(err, context.DeadlineExceeded) {
			err = nil // the answer was lost, or the till has much to add up: it makes one closing however often it is asked
		}
	}
	var a closingAnswer
	if err == nil {
		if a, err = readClosingAnswer(body); err == nil && a.ID != "" {
			to.ID, err = crdt.ParseObjectID(a.ID)
		}
	}
	switch {
	case errors.Is(err, engine.ErrNotLinked), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		to.State, to.Text = ShopUnreachable, fmt.Sprintf("%s cannot be reached; make its closing there", to.Name)
	case err != nil:
		to.State, to.Text = ShopRefused, fmt.Sprintf("%s: %v", to.Name, err)
	case a.ID == "":
		to.State, to.Code, to.Text = ShopRefused, a.Code, a.Why
	default:
		to.State, to.Closing = ShopMade, a.Text
	}
}

func readClosingAnswer(b []byte) (a closingAnswer, err error) {
	if len(b) > maxClosingAsk {
		return a, fmt.Errorf("an answer of %d bytes", len(b))
	}
	if err = json.Unmarshal(b, &a); err == nil && (a.Version != closingVersion || a.ID == "" && a.Why == "" || len(a.Text) > 100) {
		err = errors.New("it answered something else; is its program of another version?")
	}
	a.Why, a.Code = strings.ToValidUTF8(a.Why, "�"), strings.ToValidUTF8(a.Code, "�")
	return a, err
}

// askedForClosing makes the closing of this till because another one asked for it.
func (t *Till) askedForClosing(ctx context.Context, from crdt.TillID, body []byte) ([]byte, bool) {
	var ask closingAsk
	if len(body) > maxClosingAsk || json.Unmarshal(body, &ask) != nil || ask.Version != closingVersion {
		return []byte("this till does not understand the question for a closing"), false
	}
	id, err := crdt.ParseObjectID(ask.ID)
	if err != nil || !t.roster.active(from) {
		return []byte("this till does not make a closing for whoever asks"), false
	}
	a := closingAnswer{Version: closingVersion}
	key := "closing asked " + from.String() + " " + id.String()
	reason := "asked for by " + t.roster.name(from)
	if ask.Reason != "" {
		reason = ask.Reason + " (" + reason + ")"
	}
	made, err := t.CloseTill(ForRequest(ctx, key, sha256.Sum256(body)), NewClosing{User: cutRunes(ask.User), Reason: cutRunes(reason), KeepTabs: true})
	var no *Refusal
	switch {
	case err == nil:
		a.ID, a.Text = made.ID.String(), made.Text
	case errors.As(err, &no):
		a.Code, a.Why = no.Code, no.Text
	default:
		t.log.Error("the closing that another till asked for was not made", "error", err)
		a.Code, a.Why = "failed", "it could not be saved there"
	}
	answer, err := json.Marshal(a)
	return answer, err == nil
}

// cutRunes shortens a text of another till to what a document takes.
func cutRunes(s string) string {
	r := []rune(strings.ToValidUTF8(s, "�"))
	return string(r[:min(len(r), receipt.MaxText)])
}
