package archive_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
)

func TestAReceiptIsALeaf(t *testing.T) {
	p := sold(t)
	c := commit(t, crdt.Sales, 1, p)
	entries := archive.Entries(receipttest.ShopID, c)
	require.Len(t, entries, 1)
	e := entries[0]
	require.Equal(t, archive.Receipt, e.Leaf.Kind)
	require.Equal(t, "K2", e.Leaf.Name)
	require.EqualValues(t, 1, e.Leaf.Number)
	require.Equal(t, "2026-09-03", e.Leaf.Day)
	require.Equal(t, p.Raw, e.Content, "verbatim")
	s, err := archive.SignedOf(e.Leaf.Kind, e.Content)
	require.NoError(t, err)
	require.Equal(t, [32]byte(receipt.Hash(s.Document)), e.Leaf.Hash, "what the next receipt names")
	require.Equal(t, archive.DigestOf(nil, p.Raw), e.Leaf.Digest)
	require.Equal(t, [32]byte(c.Pieces[0].Digest), e.Leaf.Digest, "a till can compare it with its commit")
	require.Equal(t, "K2-000001", archive.NameOf(e.Leaf))
	require.Empty(t, archive.Judge(e.Leaf, e.Content))
	require.NoError(t, e.Leaf.Check())
}

func TestWhatOfACommitIsArchived(t *testing.T) {
	id := crdt.ObjectID{8}
	register := crdt.Piece{Kind: crdt.KindRegister, Type: "article", Object: id, Name: "texts", Raw: record("n", "Espresso")}
	item := func(typ string) crdt.Piece {
		return crdt.Piece{Kind: crdt.KindItem, Type: typ, Object: id, Raw: record("n", "x")}
	}
	tests := map[string]struct {
		scope  crdt.Scope
		pieces []crdt.Piece
		want   []archive.Kind
	}{
		"a price and a stocktake":       {crdt.Catalog, []crdt.Piece{register, item("stocktake")}, []archive.Kind{archive.Version, archive.Item}},
		"of a till's own catalog":       {crdt.Scope{Kind: crdt.KindCatalog, Owner: crdt.TillID{1}}, []crdt.Piece{register}, []archive.Kind{archive.Version}},
		"a user":                        {crdt.Users, []crdt.Piece{register}, []archive.Kind{archive.Version}},
		"an admission":                  {crdt.Shop, []crdt.Piece{item("admission")}, []archive.Kind{archive.Item}},
		"an open tab is not":            {crdt.Sales, []crdt.Piece{register, item(receipt.TypeLine), item(receipt.TypePayment), item(receipt.TypeOrder)}, nil},
		"a decision":                    {crdt.Sales, []crdt.Piece{item(receipt.TypeResolution), item(receipt.TypeRelease)}, []archive.Kind{archive.Item, archive.Item}},
		"a receipt that cannot be read": {crdt.Sales, []crdt.Piece{item(receipt.TypeReceipt)}, []archive.Kind{archive.Item}},
		"card details are not":          {crdt.Payments, []crdt.Piece{item("card")}, nil},
		"what nobody knows is not":      {crdt.Scope{Kind: 99}, []crdt.Piece{item("rocket")}, nil},
		"the longest names":             {crdt.Catalog, []crdt.Piece{{Kind: crdt.KindRegister, Type: strings.Repeat("~", crdt.MaxName), Object: id, Name: strings.Repeat("!", crdt.MaxName), Raw: []byte{0}}}, []archive.Kind{archive.Version}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []archive.Kind
			for _, e := range archive.Entries(receipttest.ShopID, commit(t, test.scope, 1, test.pieces...)) {
				require.NoError(t, e.Leaf.Check())
				back, err := archive.ParseLeaf(e.Leaf.Bytes())
				require.NoError(t, err)
				require.Equal(t, e.Leaf, back)
				got = append(got, e.Leaf.Kind)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestADocumentThatCannotBeReadIsFlagged(t *testing.T) {
	c := commit(t, crdt.Sales, 1, crdt.Piece{Kind: crdt.KindItem, Type: receipt.TypeReceipt, Object: crdt.ObjectID{1}, Raw: []byte{0x80}})
	e := archive.Entries(receipttest.ShopID, c)[0]
	wrong := archive.Judge(e.Leaf, e.Content)
	require.Len(t, wrong, 1)
	require.Contains(t, wrong[0], "cannot be read")
}

func TestWhatDoesNotHoldIsFlagged(t *testing.T) {
	b, s := receipttest.Shop(t)
	judge := func(id crdt.ObjectID, shop crdt.ShopID, signed receipt.Signed) []string {
		h, err := receipt.ParseHeader(signed.Document)
		require.NoError(t, err)
		p, err := receipt.NewReceipt(id, receipt.Receipt{Signed: signed, Series: h.Series, Number: h.Number, BusinessDay: "2026-09-03"}, receipt.Supersedes{})
		require.NoError(t, err)
		e := archive.Entries(shop, commit(t, crdt.Sales, 1, p))[0]
		return archive.Judge(e.Leaf, e.Content)
	}
	e := b.Sold[0]
	require.Empty(t, judge(e.ID, receipttest.ShopID, e.Signed))
	require.Contains(t, judge(crdt.ObjectID{1}, receipttest.ShopID, e.Signed)[0], "does not hold")
	require.Contains(t, judge(e.ID, crdt.ShopID{1}, e.Signed)[0], "another shop")
	forged := e.Signed
	forged.Signature = append([]byte{forged.Signature[0] ^ 1}, forged.Signature[1:]...)
	require.Equal(t, []string{"The signature of K2-000001 does not fit its bytes."}, judge(e.ID, receipttest.ShopID, forged))
	s.Resigned(&e, func(d *receipt.Document) { d.Totals.Gross++ })
	wrong := judge(e.ID, receipttest.ShopID, e.Signed)
	require.NotEmpty(t, wrong)
	require.Contains(t, wrong[0], "K2-000001")
}

func TestANoteIsALeaf(t *testing.T) {
	about := archive.Entries(receipttest.ShopID, commit(t, crdt.Sales, 1, sold(t)))[0].Leaf
	j := archive.Judgement{Code: archive.NoteFork, About: 7, Text: "K2-000001 is there twice."}
	e, err := j.Entry(about, "2026-09-04")
	require.NoError(t, err)
	require.Equal(t, archive.Note, e.Leaf.Kind)
	back, err := archive.ParseJudgement(e.Content)
	require.NoError(t, err)
	require.Equal(t, j, back)
	_, err = archive.ParseJudgement([]byte(`{"code":"fork"}`))
	require.ErrorIs(t, err, archive.ErrLeaf)
	_, err = archive.ParseJudgement([]byte("paper"))
	require.Error(t, err)
}

func TestRetention(t *testing.T) {
	for _, test := range []struct{ day, archived, want string }{
		{"2026-01-01", "2026-01-01", "2036-12-31"},
		{"2026-12-31", "2027-01-01", "2037-12-31"},
		{"1970-01-01", "2026-05-05", "2036-12-31"},
		{"2099-01-01", "2026-05-05", "2109-12-31"},
	} {
		got, err := archive.KeepUntil(test.day, test.archived)
		require.NoError(t, err)
		require.Equal(t, test.want, got)
	}
	_, err := archive.KeepUntil("soon", "2026-01-01")
	require.ErrorIs(t, err, archive.ErrLeaf)
	from, err := archive.RetainedFrom("2036-12-31")
	require.NoError(t, err)
	require.Equal(t, "2026-01-01", from)
	from, err = archive.RetainedFrom("2037-01-01")
	require.NoError(t, err)
	require.Equal(t, "2027-01-01", from)
}
