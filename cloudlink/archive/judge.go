package archive

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Codes of notes. They are stable.
const (
	NoteFlagged = "flagged" // the document does not hold in itself: unreadable, forged, or its amounts do not add up
	NoteFork    = "fork"    // another document with the same number was archived before
	NoteLate    = "late"    // it came after the closing that covers its number
)

// Judgement is what the archive says about a leaf. It becomes a leaf itself, so that it cannot be taken back unnoticed either.
type Judgement struct {
	Code  string
	About int64  // index of the leaf
	Text  string // a sentence for a person
}

// Judge looks at the content of a document by itself: whether it can be read, whose signature it bears, whether its amounts add up, and whether
// it lies under its own ID and shop. It returns a sentence for each thing that is wrong, at most 20. Other kinds are never wrong.
func Judge(l Leaf, content []byte) []string {
	if content == nil {
		return nil
	}
	if l.Kind == Item && l.Scope.Kind == crdt.KindSales {
		if kind, isDocument := documentTypes[l.Type]; isDocument {
			_, err := SignedOf(kind, content)
			return []string{fmt.Sprintf("A %s cannot be read: %v.", l.Type, err)}
		}
	}
	if !l.Kind.Document() {
		return nil
	}
	name := NameOf(l)
	shop, problems, err := verifyDocument(l, content)
	var wrong []string
	switch {
	case errors.Is(err, receipt.ErrSign):
		wrong = append(wrong, fmt.Sprintf("The signature of %s does not fit its bytes.", name))
	case err != nil:
		wrong = append(wrong, fmt.Sprintf("%s does not hold: %v.", name, err))
	case shop != l.Shop:
		wrong = append(wrong, fmt.Sprintf("%s says that it is of another shop, %s.", name, shop))
	}
	for _, p := range problems[:min(len(problems), 19)] {
		wrong = append(wrong, fmt.Sprintf("%s: %s (%s)", name, p.Text, p.Path))
	}
	return wrong
}

func verifyDocument(l Leaf, content []byte) (shop crdt.ShopID, problems []receipt.Problem, err error) {
	var d receipt.Document
	switch l.Kind {
	case Closing:
		var c receipt.ClosingItem
		if c, err = receipt.ParseClosing(content); err != nil {
			return shop, nil, err
		}
		z, err := c.Verify(l.Object)
		return z.Shop.ID, nil, err
	case Opening:
		var o receipt.Opening
		if o, err = receipt.ParseOpening(content); err == nil {
			d, err = o.Verify(l.Object)
		}
	default:
		var r receipt.Receipt
		if r, err = receipt.ParseReceipt(content); err == nil {
			d, err = r.Verify(l.Object)
		}
	}
	if err != nil {
		return shop, nil, err
	}
	return d.Shop.ID, d.Check(), nil
}

// NameOf returns what a leaf is about as people name it, such as "K2-000418", "K2 Z 17" or "article hq3…, texts".
func NameOf(l Leaf) string {
	switch l.Kind {
	case Closing:
		return receipt.ZText(l.Name, l.Number)
	case Receipt, Opening:
		return receipt.NumberText(l.Name, l.Number)
	case Version:
		return fmt.Sprintf("%s %s, %s", l.Type, l.Object, l.Name)
	case Note:
		return fmt.Sprintf("note %q about leaf %d", l.Type, l.Number)
	}
	return fmt.Sprintf("%s %s", l.Type, l.Object)
}

// Entry returns the leaf of a judgement about a leaf, with its content: canonical JSON with the members code and text. today is the
// archive's day, YYYY-MM-DD.
func (j Judgement) Entry(about Leaf, today string) (Entry, error) {
	content, err := receipt.AppendCanonical(nil, receipt.Object{
		{Name: "about", Value: receipt.Int(j.About)}, {Name: "code", Value: receipt.String(j.Code)}, {Name: "text", Value: receipt.String(j.Text)},
	})
	if err != nil {
		return Entry{}, fmt.Errorf("note about leaf %d: %w", j.About, err)
	}
	l := Leaf{Kind: Note, Shop: about.Shop, Scope: about.Scope, Dot: about.Dot, Piece: about.Piece, Type: j.Code, Object: about.Object,
		Number: j.About, Day: today, Digest: DigestOf(nil, content)}
	return Entry{Leaf: l, Content: content}, l.Check()
}

// ParseJudgement reads the content of a note.
func ParseJudgement(content []byte) (Judgement, error) {
	v, err := receipt.ParseCanonical(content)
	if err != nil {
		return Judgement{}, fmt.Errorf("note: %w", err)
	}
	o, _ := v.(receipt.Object)
	about, ok1 := o.Get("about").(receipt.Int)
	code, ok2 := o.Get("code").(receipt.String)
	text, ok3 := o.Get("text").(receipt.String)
	if !ok1 || !ok2 || !ok3 {
		return Judgement{}, fmt.Errorf("%w: a note without code, text or the leaf that it is about", ErrLeaf)
	}
	return Judgement{Code: string(code), About: int64(about), Text: string(text)}, nil
}
