package receipt_test

import (
	"math/rand/v2"
	"testing"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/crdttest"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// maybe returns a value half of the times.
func maybe[T any](r *rand.Rand, v T) *T {
	if r.IntN(2) == 0 {
		return &v
	}
	return nil
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// written turns what a builder returned into what the suite wants, under the object ID of the history: slots and
// receipts have IDs of their own. A builder that refuses is a mistake of the test.
func written(id crdt.ObjectID, pieces []crdt.Piece, err error) []crdt.Piece {
	if err != nil {
		panic(err)
	}
	for i := range pieces {
		pieces[i].Object = id
	}
	return pieces
}

// part returns an object as the views take it.
func part(obj *crdt.Object, load func(crdt.Ref) []byte) receipt.Part {
	p := receipt.Part{ID: object(77), Object: obj}
	if len(obj.Items) > 0 {
		p.Item = load(obj.Items[0].Ref)
	}
	return p
}

func anyObject(r *rand.Rand) crdt.ObjectID { return object(byte(1 + r.IntN(3))) }

func TestTabLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeTab, Scope: crdt.Sales,
		Registers: []string{receipt.RegisterHead, receipt.RegisterNote, receipt.RegisterCustomer, receipt.RegisterMerge, receipt.RegisterClaim},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			pieces, err := receipt.EditTab(id, obj, receipt.TabEdit{
				Head:     maybe(r, receipt.Head{Name: pick(r, "", "Tisch 7", "Frau Meyer"), OpenedMS: 1 + r.Int64N(9), Till: tillID(), Shared: r.IntN(2) == 0}),
				Note:     maybe(r, receipt.Note{Text: pick(r, "", "Allergie", "zwei\nZeilen")}),
				Customer: maybe(r, receipt.Customer{ID: anyObject(r), Number: pick(r, "", "D-1"), Name: "Knurrhahn"}),
				Merge:    maybe(r, receipt.Merge{Into: anyObject(r)}),
				Claim:    maybe(r, receipt.Claim{Till: tillID(), User: "Jule", Epoch: receipt.HolderOf(obj).Epoch%100 + 1, MS: 5}),
			})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			return receipt.View(receipt.Parts{Tab: part(obj, load), Merged: []receipt.Part{{ID: object(78), Object: obj}}})
		},
	})
}

func TestLineLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeLine, Scope: crdt.Sales, Registers: []string{receipt.RegisterLocation}, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 || obj.Live() {
				pieces, err := receipt.MoveLine(id, obj, anyObject(r))
				return written(id, pieces, err)
			}
			// What the line says follows from its ID: tills that create it apart write the same, as a repeated request does.
			l := line(int(id[0]))
			pieces, err := receipt.NewLine(id, anyObject(r), l)
			for i := range pieces {
				if pieces[i].Kind == crdt.KindRegister {
					pieces[i].Clock = obj.Seen(pieces[i].Name)
				}
			}
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			return receipt.View(receipt.Parts{Tab: receipt.Part{ID: object(1)}, Lines: []receipt.Part{part(obj, load)}})
		},
	})
}

func TestVoidLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeVoid, Scope: crdt.Sales, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 {
				return nil
			}
			pieces, err := receipt.NewVoid(id, receipt.Void{Line: object(5), Quantity: receipt.Quantity(id[0]), Reason: "Bruch", Till: tillID(), MS: 9})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			return receipt.View(receipt.Parts{Tab: receipt.Part{ID: object(1)}, Voids: []receipt.Part{part(obj, load)},
				Lines: []receipt.Part{{ID: object(5), Item: line(3).Bytes()}}})
		},
	})
}

func TestDiscountLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeDiscount, Scope: crdt.Sales, Registers: []string{receipt.RegisterValue},
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			d := receipt.Discount{Target: object(5), On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: receipt.Rate(r.IntN(3) * 500),
				Reason: pick(r, "", "Stammgast"), Till: tillID(), MS: r.Int64N(1000)}
			if r.IntN(3) == 0 {
				d.Kind, d.Percent, d.Amount = receipt.DiscountAmount, 0, receipt.Amount(r.IntN(4)*100)
			}
			pieces, err := receipt.EditDiscount(obj, d)
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			return receipt.View(receipt.Parts{Tab: receipt.Part{ID: object(1)}, Discounts: []receipt.Part{part(obj, load)},
				Lines: []receipt.Part{{ID: object(5), Item: line(3).Bytes()}}})
		},
	})
}

func TestPaymentLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypePayment, Scope: crdt.Sales, Registers: []string{receipt.RegisterProgress}, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 || obj.Live() {
				pieces, err := receipt.SetProgress(id, obj, receipt.Progress{State: pick(r, receipt.PaymentSent, receipt.PaymentCaptured,
					receipt.PaymentDeclined, receipt.PaymentUnknown), MS: r.Int64N(1000)})
				return written(id, pieces, err)
			}
			pieces, err := receipt.NewPayment(id, receipt.Payment{Tab: object(1), Type: "ECKarte", Amount: 1 + receipt.Amount(id[0]), Till: tillID(), MS: 3},
				receipt.PaymentIntended)
			for i := range pieces {
				if pieces[i].Kind == crdt.KindRegister {
					pieces[i].Clock = obj.Seen(pieces[i].Name)
				}
			}
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			return receipt.View(receipt.Parts{Tab: receipt.Part{ID: object(1)}, Payments: []receipt.Part{part(obj, load)},
				Lines: []receipt.Part{{ID: object(5), Item: line(3).Bytes()}}})
		},
	})
}

func TestReceiptLaws(t *testing.T) {
	doc := signed(t, sample(t, 1, 3), receipt.First(crdt.ShopID{1, 2, 3}, tillID(), "K2"))
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeReceipt, Scope: crdt.Sales, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 {
				return nil
			}
			p, err := receipt.NewReceipt(id, receipt.Receipt{Signed: doc, Series: "K2", Number: 1 + int64(id[0]), BusinessDay: "2026-09-03"},
				receipt.Supersedes{Tabs: []crdt.ObjectID{object(1)}, Lines: []crdt.ObjectID{object(2), object(3)},
					Discounts: []crdt.RegisterUpTo{{Type: receipt.TypeDiscount, Object: object(4), Name: receipt.RegisterValue,
						Clock: crdt.Clock{{Replica: crdt.ReplicaID{1}, Seq: 7}}}}})
			return written(id, []crdt.Piece{p}, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			p := part(obj, load)
			r, err := receipt.ParseReceipt(p.Item)
			if err != nil {
				return err.Error()
			}
			d, err := r.Verify(p.ID)
			return []any{r, d, err != nil}
		},
	})
}

func TestReleaseLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeRelease, Scope: crdt.Sales, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 {
				return nil
			}
			pieces, err := receipt.NewRelease(receipt.Release{Receipt: id, Till: tillID(), User: "Jule", Reason: "Kasse 2 ist aus", MS: int64(id[0]), Copies: 1, Wanted: 2})
			return written(id, pieces, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			v, err := receipt.ParseRelease(part(obj, load).Item)
			return []any{v, err != nil}
		},
	})
}

func TestOpeningLaws(t *testing.T) {
	crdttest.Run(t, crdttest.Type{
		Name: receipt.TypeOpening, Scope: crdt.Sales, Item: true,
		Write: func(r *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
			if len(obj.Items) > 0 {
				return nil
			}
			start := seriesStart()
			start.Series = "K2" + string(rune('b'+id[0]%20))
			o, err := receipt.BuildOpening(start)
			return written(id, []crdt.Piece{o.Piece}, err)
		},
		View: func(obj *crdt.Object, load func(crdt.Ref) []byte) any {
			p := part(obj, load)
			o, err := receipt.ParseOpening(p.Item)
			if err != nil {
				return err.Error()
			}
			d, err := o.Verify(p.ID)
			return []any{o, d, err != nil}
		},
	})
}

// itemLaws runs the laws of a document that is one item, written once. view says what is shown of its bytes.
func itemLaws(t *testing.T, typ crdttest.Type, write func(id crdt.ObjectID) ([]crdt.Piece, error), view func(p receipt.Part) any) {
	t.Helper()
	typ.Scope, typ.Item = crdt.Sales, true
	typ.Write = func(_ *rand.Rand, obj *crdt.Object, id crdt.ObjectID) []crdt.Piece {
		if len(obj.Items) > 0 {
			return nil
		}
		pieces, err := write(id)
		return written(id, pieces, err)
	}
	typ.View = func(obj *crdt.Object, load func(crdt.Ref) []byte) any { return view(part(obj, load)) }
	crdttest.Run(t, typ)
}

func TestOrderLaws(t *testing.T) {
	itemLaws(t, crdttest.Type{Name: receipt.TypeOrder}, func(id crdt.ObjectID) ([]crdt.Piece, error) {
		return receipt.NewOrder(id, receipt.Order{Tab: object(1), Lines: []crdt.ObjectID{object(5), object(id[0] + 1)}, Till: tillID(), MS: int64(id[0]),
			Security: receipt.Object{{Name: "transaction", Value: receipt.Int(id[0])}}})
	}, func(p receipt.Part) any {
		return receipt.View(receipt.Parts{Tab: receipt.Part{ID: object(1)}, Orders: []receipt.Part{p},
			Lines: []receipt.Part{{ID: object(5), Item: line(3).Bytes()}}})
	})
}

func TestRefundLaws(t *testing.T) {
	itemLaws(t, crdttest.Type{Name: receipt.TypeRefund}, func(id crdt.ObjectID) ([]crdt.Piece, error) {
		return receipt.NewRefund(receipt.Refund{Of: object(1), By: object(id[0]%200 + 2), MS: 7,
			Lines: []receipt.Taken{{Line: object(5), Quantity: 1 + receipt.Quantity(id[0])}}})
	}, func(p receipt.Part) any {
		v, err := receipt.ParseRefund(p.Item)
		return []any{v, err != nil}
	})
}

func TestResolutionLaws(t *testing.T) {
	itemLaws(t, crdttest.Type{Name: receipt.TypeResolution}, func(id crdt.ObjectID) ([]crdt.Piece, error) {
		return receipt.NewResolution(receipt.Resolution{Case: object(1), Kind: "double", Decision: "cancelled", Receipts: []crdt.ObjectID{object(2), object(3)},
			Done: []crdt.ObjectID{object(id[0])}, Till: tillID(), User: "Jule", MS: int64(id[0])})
	}, func(p receipt.Part) any {
		v, err := receipt.ParseResolution(p.Item)
		return []any{v, err != nil}
	})
}

func TestClosingLaws(t *testing.T) {
	z := zreport(t)
	itemLaws(t, crdttest.Type{Name: receipt.TypeClosing}, func(id crdt.ObjectID) ([]crdt.Piece, error) {
		z.Number = 1 + int64(id[0])
		made, err := receipt.BuildZ(z, sign)
		return []crdt.Piece{made.Piece}, err
	}, func(p receipt.Part) any {
		c, err := receipt.ParseClosing(p.Item)
		if err != nil {
			return err.Error()
		}
		r, err := c.Verify(p.ID)
		return []any{c, r, err != nil}
	})
}
