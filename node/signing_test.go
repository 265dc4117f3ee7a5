package node_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

// stand is a till with a signing device that does what it is told.
type stand struct {
	*running
	tse  *tsetest.Device
	unit *rksvtest.Unit
	keys rksv.Keys
	at   struct {
		sync.Mutex
		ahead time.Duration
	}
	options node.Options
}

// signed runs a till of a country whose device does what it is told.
func signed(t testing.TB, country string) *stand {
	t.Helper()
	data := filepath.Join(t.TempDir(), "kasse1")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café Mitte", Name: "Kasse 1", Country: country})
	require.NoError(t, err)
	s := &stand{}
	key, err := es256.NewKey(rand.Reader)
	require.NoError(t, err)
	inner, err := tse.NewSoftware(tse.Config{Key: key, Now: s.now, File: new(tsetest.File)})
	require.NoError(t, err)
	s.tse = tsetest.Wrap(inner)
	unit, err := rksv.NewSoftwareUnit(key, "U:ATU12345678-K1")
	require.NoError(t, err)
	s.unit = rksvtest.Wrap(unit)
	aes, err := rksv.NewAESKey(rand.Reader)
	require.NoError(t, err)
	s.keys.AES = aes
	s.keys.Units = map[string]*ecdsa.PublicKey{unit.Certificate(): unit.Public()}
	s.options = node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Environment: node.Environment{Now: s.now},
		Signers: func(f node.SignerFor) (journal.Device, error) {
			switch f.Country {
			case "DE":
				return journal.NewTSE(s.tse, f.Serial), nil
			case "AT":
				return journal.NewRKSV(rksv.Config{CashBox: f.Series, Suite: rksv.SuiteClosed, Key: aes, Unit: s.unit}, "")
			}
			return nil, nil
		}}
	s.start(t)
	require.NoError(t, s.EditTax(t.Context(), crdt.ObjectID{1}, catalog.TaxEdit{Names: ptr(catalog.Named("Normal")),
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 2000, FiscalKey: 1}}}))
	return s
}

func ptr[T any](v T) *T { return &v }

func (s *stand) now() time.Time {
	s.at.Lock()
	defer s.at.Unlock()
	return time.Now().Add(s.at.ahead)
}

func (s *stand) later(d time.Duration) {
	s.at.Lock()
	defer s.at.Unlock()
	s.at.ahead += d
}

// start runs the till, again if it was stopped.
func (s *stand) start(t testing.TB) {
	t.Helper()
	m, err := node.Open(t.Context(), s.options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	s.running = &running{Machine: m, data: s.options.Data}
	s.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(s.stop)
}

// sell sells something for cents and returns the receipt.
func (s *stand) sell(t testing.TB, cents receipt.Amount) node.Receipt {
	t.Helper()
	tab, err := s.OpenTab(t.Context(), node.NewTab{User: "Anna"})
	require.NoError(t, err)
	_, _, err = s.AddLines(t.Context(), tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Kaffee", Price: cents, Tax: crdt.ObjectID{1}}, Quantity: 1000, User: "Anna"}})
	require.NoError(t, err)
	r, err := s.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: cents}})
	require.NoError(t, err)
	return r
}

// dep verifies the log of signed receipts and returns what it holds.
func (s *stand) dep(t testing.TB) rksv.Summary {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, s.WriteDEP(t.Context(), &b))
	v, err := rksv.Verify(rksv.NewReader(bytes.NewReader(b.Bytes())), s.keys, func(p rksv.Problem) { t.Error(p) })
	require.NoError(t, err)
	return v.Summary()
}

func record(t testing.TB, r node.Receipt) tse.Record {
	t.Helper()
	said, err := tse.ParseRecord(r.Parsed.Security)
	require.NoError(t, err)
	return said
}

func TestAGermanReceiptIsSignedBeforeItsNumber(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	r := s.sell(t, 340)
	said := record(t, r)
	require.NoError(t, tse.Verify(said))
	require.Equal(t, "Beleg^3.40_0.00_0.00_0.00_0.00^3.40:Bar", said.Process.Data)
	v := node.ViewSecurity(&r.Parsed)
	require.Equal(t, tse.Notice, v.Notice)
	require.Contains(t, v.QR, "V0;"+r.Parsed.Till.Serial+";Kassenbeleg-V1;")
	cash, err := s.MoveCash(t.Context(), node.CashMove{What: node.CashIn, Amount: 5000, User: "Anna"})
	require.NoError(t, err)
	require.NoError(t, tse.Verify(record(t, cash)))
	check, err := s.CheckSigning(t.Context(), "Anna")
	require.NoError(t, err)
	require.Equal(t, "SonstigerVorgang", record(t, check).Process.Type)
}

func TestASlowOrFailingTSEMarksTheReceiptAndSellingGoesOn(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	s.sell(t, 100)
	s.tse.Fail(tsetest.Finish, nil)
	first := s.sell(t, 200)
	require.Equal(t, tse.Outage, node.ViewSecurity(&first.Parsed).Outage)
	require.NotZero(t, record(t, first).Transaction, "what is known of the transaction stays")
	before := s.tse.Calls(tsetest.Start)
	second := s.sell(t, 300)
	require.True(t, journal.Unsigned(second.Parsed.Security))
	require.Equal(t, before, s.tse.Calls(tsetest.Start), "a device that failed is not waited for again")
	report, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.False(t, report.Works)
	require.EqualValues(t, 2, report.Unsigned)
	require.Equal(t, []int64{2, 3, 2, 0}, []int64{report.Outages[0].First, report.Outages[0].Last, report.Outages[0].Count, report.Outages[0].End})
	require.Condition(t, func() bool {
		for _, a := range s.Alarms() {
			if a.Kind == node.AlarmSigning {
				return true
			}
		}
		return false
	}, "somebody is told")

	s.Housekeep(t.Context())
	require.True(t, journal.Unsigned(s.sell(t, 10).Parsed.Security), "it still fails")
	s.tse.Return()
	s.Housekeep(t.Context())
	last := s.sell(t, 400)
	require.NoError(t, tse.Verify(record(t, last)))
	report, err = s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.True(t, report.Works)
	require.Len(t, report.Outages, 1)
	require.NotZero(t, report.Outages[0].End)
	require.EqualValues(t, 3, report.Unsigned)

	s.stop()
	s.start(t)
	again, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, report.Outages, again.Outages, "the log is kept")
}

func TestATSEThatDoesNotAnswerCostsItsPatienceOnce(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	release := s.tse.Hold()
	defer release()
	began := time.Now()
	require.True(t, journal.Unsigned(s.sell(t, 100).Parsed.Security))
	require.GreaterOrEqual(t, time.Since(began), journal.Patience)
	began = time.Now()
	require.True(t, journal.Unsigned(s.sell(t, 100).Parsed.Security))
	require.Less(t, time.Since(began), journal.Patience)
}

func TestAustrianReceiptsAreAChainFromTheStartReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	r := s.sell(t, 340)
	require.EqualValues(t, 2, r.Parsed.Number, "number 1 is the start receipt")
	start, err := s.Receipt(t.Context(), "K1-000001")
	require.NoError(t, err)
	require.Equal(t, receipt.ControlStart, start.Parsed.Control.What)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { s.sell(t, 100) })
	}
	all.Wait()
	require.Equal(t, 18, s.dep(t).Receipts)
	s.stop()
	s.start(t)
	s.sell(t, 100)
	_, err = s.CancelReceipt(t.Context(), r.Number, node.Correction{User: "Anna", Reason: "falsch"})
	require.NoError(t, err)
	sum := s.dep(t)
	require.Equal(t, 20, sum.Receipts)
	require.Equal(t, 1, sum.Cancellations)
}

func TestAnOutageOfTheSignatureUnitEndsWithACollectiveReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	s.unit.Fail(nil)
	out := s.sell(t, 200)
	require.Equal(t, rksv.OutageText, node.ViewSecurity(&out.Parsed).Outage)
	require.NotEmpty(t, node.ViewSecurity(&out.Parsed).QR, "the chain goes on")
	asked := s.unit.Calls()
	s.sell(t, 300)
	require.Equal(t, asked, s.unit.Calls())
	s.Housekeep(t.Context())
	s.unit.Return()
	s.sell(t, 300)
	s.Housekeep(t.Context())
	r := s.sell(t, 400)
	require.False(t, journal.Unsigned(r.Parsed.Security))
	collective, err := s.Receipt(t.Context(), "K1-000006")
	require.NoError(t, err)
	require.Equal(t, receipt.ControlCollective, collective.Parsed.Control.What)
	require.False(t, journal.Unsigned(collective.Parsed.Security))
	sum := s.dep(t)
	require.Equal(t, 3, sum.Unsigned)
	report, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.EqualValues(t, 3, report.Unsigned)
	require.NotZero(t, report.Outages[0].End)
}

func TestAnOutageGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	s.unit.Fail(nil)
	s.sell(t, 200)
	s.stop()
	s.start(t)
	require.True(t, journal.Unsigned(s.sell(t, 200).Parsed.Security))
	s.unit.Return()
	s.stop()
	s.start(t)
	require.False(t, journal.Unsigned(s.sell(t, 200).Parsed.Security), "the collective receipt came before")
	require.Equal(t, 6, s.dep(t).Receipts)
	report, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, report.Outages, 1)
	require.EqualValues(t, 2, report.Unsigned)
}

func TestMonthsAndYearsEndWithAReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	month := s.now().UTC().Format("2006-01")
	s.stop()
	s.later(32 * 24 * time.Hour)
	s.start(t)
	next := s.sell(t, 200) // also after the till was off
	before, err := s.Receipt(t.Context(), receipt.NumberText("K1", next.Parsed.Number-1))
	require.NoError(t, err)
	require.NotNil(t, before.Parsed.Control)
	require.Contains(t, []string{receipt.ControlMonth, receipt.ControlYear}, before.Parsed.Control.What)
	require.True(t, strings.HasPrefix(month, before.Parsed.Control.Period), before.Parsed.Control.Period)
	s.later(366 * 24 * time.Hour)
	s.Housekeep(t.Context())
	end, err := s.Receipt(t.Context(), receipt.NumberText("K1", next.Parsed.Number+1))
	require.NoError(t, err)
	require.Equal(t, receipt.ControlYear, end.Parsed.Control.What)
	s.Housekeep(t.Context())
	_, err = s.Receipt(t.Context(), receipt.NumberText("K1", next.Parsed.Number+2))
	require.ErrorIs(t, err, node.ErrNotFound, "once is enough")
	s.dep(t)
}

func TestWithoutItsStartReceiptATillSellsAndSaysSo(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.unit.Fail(nil)
	r := s.sell(t, 100)
	require.EqualValues(t, 1, r.Parsed.Number)
	require.Equal(t, rksv.OutageText, node.ViewSecurity(&r.Parsed).Outage)
	s.unit.Return()
	s.Housekeep(t.Context())
	require.False(t, journal.Unsigned(s.sell(t, 100).Parsed.Security))
	require.Equal(t, 2, s.dep(t).Receipts, "the chain begins with its start receipt")
}

func TestLinesAreSignedAsOrdersAndTheReceiptShowsTheFirst(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	tab, err := s.OpenTab(t.Context(), node.NewTab{User: "Anna", Name: "Tisch 4"})
	require.NoError(t, err)
	coffee := node.NewLine{Open: &node.OpenItem{Name: `Kaffee "groß"`, Price: 340, Tax: crdt.ObjectID{1}}, Quantity: 2000, User: "Anna"}
	ids, _, err := s.AddLines(t.Context(), tab.ID, []node.NewLine{coffee, coffee})
	require.NoError(t, err)
	orders := func(n int) (v node.TabView) {
		require.Eventually(t, func() bool {
			v, err = s.Tab(t.Context(), tab.ID)
			return err == nil && len(v.Orders) == n
		}, patience, 10*time.Millisecond)
		return v
	}
	v := orders(1)
	require.ElementsMatch(t, ids, v.Orders[0].Order.Lines)
	said, err := tse.ParseRecord(v.Orders[0].Order.Security)
	require.NoError(t, err)
	require.NoError(t, tse.Verify(said))
	require.Equal(t, "2;\"Kaffee \"\"groß\"\"\";3.40\r2;\"Kaffee \"\"groß\"\"\";3.40", said.Process.Data)
	_, err = s.VoidLine(t.Context(), tab.ID, ids[0], node.NewVoid{Quantity: 1000, Reason: "verschüttet", User: "Anna"})
	require.NoError(t, err)
	v = orders(2)
	said, err = tse.ParseRecord(v.Orders[1].Order.Security)
	require.NoError(t, err)
	require.Equal(t, `-1;"Kaffee ""groß""";3.40`, said.Process.Data)
	r, err := s.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 1020}})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Orders, 2)
	require.Equal(t, r.Parsed.Orders[0].Time, node.ViewSecurity(&r.Parsed).Ordered)

	quick := s.sell(t, 100)
	require.Empty(t, quick.Parsed.Orders)
}

func TestOrdersAreNotForgottenByARestart(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	s.sell(t, 100) // the device is known
	tab, err := s.OpenTab(t.Context(), node.NewTab{User: "Anna"})
	require.NoError(t, err)
	_, _, err = s.AddLines(t.Context(), tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Tee", Price: 250, Tax: crdt.ObjectID{1}}, Quantity: 1000, User: "Anna"}})
	require.NoError(t, err)
	s.stop()
	s.start(t)
	require.Eventually(t, func() bool {
		v, err := s.Tab(t.Context(), tab.ID)
		return err == nil && len(v.Orders) == 1
	}, patience, 10*time.Millisecond)
}

func TestShopsElsewhereSignNothing(t *testing.T) {
	t.Parallel()
	s := signed(t, "CH")
	require.Nil(t, s.sell(t, 100).Parsed.Security)
	report, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.Nil(t, report)
	_, err = s.CheckSigning(t.Context(), "Anna")
	var refused *node.Refusal
	require.True(t, errors.As(err, &refused))
	require.Equal(t, node.CodeNoSigner, refused.Code)
	_, err = s.EditSettings(t.Context(), shop.SettingsEdit{Business: &shop.Business{Name: "Café Mitte", Country: "AT"}})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.sell(t, 100).Parsed.Number, "a chain begins when the country wants one")
}

func TestSoftwareSignersKeepTheirKeys(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.stop()
	s.options.Signers = node.SoftwareSigners(s.options.Data, s.options.Environment)
	s.start(t)
	s.sell(t, 100)
	first, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	s.stop()
	path := filepath.Join(s.options.Data, "signer", "rksv-K1.json")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	s.start(t)
	r := s.sell(t, 100)
	require.False(t, journal.Unsigned(r.Parsed.Security))
	again, err := s.SigningReport(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, first.PublicKey, again.PublicKey)
	require.Equal(t, first.Check, again.Check)
	s.stop()

	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	s.start(t)
	r = s.sell(t, 100)
	require.Equal(t, rksv.OutageText, node.ViewSecurity(&r.Parsed).Outage, "lost keys stop no sale")
	require.Contains(t, node.ViewSecurity(&r.Parsed).Failure, "lost")
	require.NoError(t, os.WriteFile(path, kept, 0o600))
	s.Housekeep(t.Context())
	r = s.sell(t, 100)
	require.False(t, journal.Unsigned(r.Parsed.Security), "with its keys the chain goes on")

	german := signed(t, "DE")
	german.stop()
	german.options.Signers = node.SoftwareSigners(german.options.Data, german.options.Environment)
	german.start(t)
	one := record(t, german.sell(t, 100))
	german.stop()
	german.start(t)
	two := record(t, german.sell(t, 100))
	require.Equal(t, one.Serial, two.Serial)
	require.Greater(t, two.Transaction, one.Transaction)
	require.NoError(t, tse.Verify(two))
}

func TestAClosingIsSignedAndNamesOutages(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	s.sell(t, 100)
	s.tse.Fail(tsetest.All, nil)
	s.sell(t, 200)
	s.tse.Return()
	s.Housekeep(t.Context())
	z, err := s.CloseTill(t.Context(), node.NewClosing{User: "Anna"})
	require.NoError(t, err)
	said, err := tse.ParseRecord(z.Report.Security)
	require.NoError(t, err)
	require.NoError(t, tse.Verify(said))
	require.Equal(t, "Kassenabschluss K1 Z 1: Belege 1 bis 2", said.Process.Data)
	outages, ok := z.Report.Security.Get("outages").(receipt.Array)
	require.True(t, ok)
	require.Len(t, outages, 1)
	one, ok := outages[0].(receipt.Object)
	require.True(t, ok)
	require.Equal(t, receipt.String("K1-000002"), one.Get("first"))
	require.NotNil(t, one.Get("end"))
	require.EqualValues(t, 1, z.Report.Sums.Counts.Unsigned)
	s.later(time.Second)
	s.sell(t, 100)
	z, err = s.CloseTill(t.Context(), node.NewClosing{User: "Anna"})
	require.NoError(t, err)
	require.Nil(t, z.Report.Security.Get("outages"), "each outage is in the closing of its time")
}

func TestANumberWhoseReceiptCannotBeFinishedIsVoid(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	tab, err := s.OpenTab(t.Context(), node.NewTab{User: "Anna"})
	require.NoError(t, err)
	long := strings.Repeat("ä", 200)
	for range 9 {
		var lines []node.NewLine
		for range 50 {
			lines = append(lines, node.NewLine{Open: &node.OpenItem{Name: long, Price: 100, Tax: crdt.ObjectID{1}}, Quantity: 1000})
		}
		_, _, err = s.AddLines(t.Context(), tab.ID, lines)
		require.NoError(t, err)
	}
	sold, err := s.CloseTab(t.Context(), tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 45000}})
	require.NoError(t, err)
	_, err = s.CancelReceipt(t.Context(), sold.Number, node.Correction{User: "Anna", Reason: "falsch"})
	refused, ok := errors.AsType[*node.Refusal](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, node.CodeTooManyLines, refused.Code)
	void, err := s.Receipt(t.Context(), "K1-000003")
	require.NoError(t, err)
	require.Equal(t, receipt.KindVoid, void.Parsed.Kind)
	require.NotEmpty(t, void.Parsed.Failure.Reason)
	next := s.sell(t, 100)
	require.EqualValues(t, 4, next.Parsed.Number)
	require.Equal(t, 4, s.dep(t).Receipts)
	report, err := s.SigningReport(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 45100, report.SigningState.Chain.Counter, "what was signed for the number before counts nothing")
}

func TestARetiredTillMakesItsFinalReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	joinShop(t, s.running, "Kasse 2")
	_, err := s.Retire(t.Context(), "K1", "verkauft")
	require.NoError(t, err)
	last, err := s.Receipt(t.Context(), "K1-000003")
	require.NoError(t, err)
	require.Equal(t, receipt.ControlFinal, last.Parsed.Control.What)
	require.Equal(t, 3, s.dep(t).Receipts)
}

// The chain and the counter of a signature unit can be proved with its keys only, which lie beside the store.
func TestVerifyProvesTheChainOfASignatureUnit(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.stop()
	s.options.Signers = node.SoftwareSigners(s.options.Data, s.options.Environment)
	s.start(t)
	s.sell(t, 100)
	s.sell(t, 250)
	report, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.Zero(t, report.Wrong, "%v", report.Findings)
	s.stop()
	_, report, err = node.VerifyPath(t.Context(), node.VerifyOptions{Path: s.options.Data})
	require.NoError(t, err)
	require.Zero(t, report.Wrong, "%v", report.Findings)

	path := filepath.Join(s.options.Data, "signer", "rksv-K1.json")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, json.Unmarshal(kept, &file))
	file["aes"] = make([]byte, len(rksv.AESKey{}))
	other, err := json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, other, 0o600))
	_, report, err = node.VerifyPath(t.Context(), node.VerifyOptions{Path: s.options.Data})
	require.NoError(t, err)
	require.NotZero(t, report.Counts["device"], "with another key the counters come to nothing: %v", report.Findings)
}

// Only the till with the key can end its chain, so one that was retired from elsewhere does it when it hears of that.
func TestATillRetiredFromElsewhereMakesItsFinalReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	data := joinShop(t, s.running, "Kasse 2")
	second := run(t, data, s.LinkAddr().String())
	waitEqual(t, s.running, second)
	s.stop()
	_, err := second.Retire(t.Context(), "K1", "verkauft")
	require.NoError(t, err)
	alarms := second.Alarms()
	require.Len(t, alarms, 1)
	require.Equal(t, node.AlarmNoLastReceipt, alarms[0].Kind)
	require.Contains(t, alarms[0].Text, "K1")

	s.options.Peers = []string{second.LinkAddr().String()}
	s.start(t)
	var last node.Receipt
	require.Eventually(t, func() bool {
		last, err = second.Receipt(t.Context(), "K1-000003")
		return err == nil
	}, patience, 5*time.Millisecond, "it makes its last receipt and hands it over")
	require.Equal(t, receipt.ControlFinal, last.Parsed.Control.What)
	require.True(t, last.Verified)
	require.Equal(t, 3, s.dep(t).Receipts)
	_, err = s.OpenTab(t.Context(), node.NewTab{})
	require.Equal(t, node.CodeRemoved, code(t, err), "it does nothing else")
	_, err = s.CheckSigning(t.Context(), "Anna")
	require.Equal(t, node.CodeRemoved, code(t, err))
	_, err = second.Receipt(t.Context(), "K1-000004")
	require.Error(t, err, "once")
}

func TestARevokedTillMakesNoFinalReceipt(t *testing.T) {
	t.Parallel()
	s := signed(t, "AT")
	s.sell(t, 100)
	second := run(t, joinShop(t, s.running, "Kasse 2"), s.LinkAddr().String())
	waitEqual(t, s.running, second)
	s.stop()
	_, err := second.Revoke(t.Context(), "K1", "gestohlen")
	require.NoError(t, err)
	alarms := second.Alarms()
	require.Len(t, alarms, 1)
	require.Equal(t, node.AlarmNoLastReceipt, alarms[0].Kind)
	require.Contains(t, alarms[0].Next, "FinanzOnline")
}

// What was ordered is confirmed once, however a line is split afterwards.
func TestAPartOfALineIsNotOrderedAgain(t *testing.T) {
	t.Parallel()
	s := signed(t, "DE")
	tea := node.NewLine{Open: &node.OpenItem{Name: "Tee", Price: 300, Tax: crdt.ObjectID{1}}, Quantity: 2000}
	ordered := func(tab crdt.ObjectID) (lines []crdt.ObjectID) {
		v, err := s.Tab(t.Context(), tab)
		require.NoError(t, err)
		for _, o := range v.Orders {
			lines = append(lines, o.Order.Lines...)
		}
		return lines
	}
	tab, err := s.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	ids, _, err := s.AddLines(t.Context(), tab.ID, []node.NewLine{tea})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(ordered(tab.ID)) == 1 }, patience, 5*time.Millisecond)
	moved, err := s.SplitTab(t.Context(), tab.ID, node.Split{Parts: []node.SplitPart{{Line: ids[0], Quantity: 1000}}})
	require.NoError(t, err)
	more, _, err := s.AddLines(t.Context(), moved.To.ID, []node.NewLine{tea})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(ordered(moved.To.ID)) > 0 }, patience, 5*time.Millisecond)
	require.Equal(t, more, ordered(moved.To.ID), "the part was ordered with its line")
	third, err := s.SplitTab(t.Context(), tab.ID, node.Split{Parts: []node.SplitPart{{Line: ids[0], Quantity: 500}}})
	require.NoError(t, err)
	s.later(time.Minute)
	apart, err := s.CloseTab(t.Context(), third.To.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 150}})
	require.NoError(t, err)
	require.Empty(t, apart.Parsed.Orders)
	require.Equal(t, apart.Parsed.Lines[0].Time, node.ViewSecurity(&apart.Parsed).Ordered, "its receipt shows when it was ordered")

	quick, err := s.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	ids, _, err = s.AddLines(t.Context(), quick.ID, []node.NewLine{tea})
	require.NoError(t, err)
	moved, err = s.SplitTab(t.Context(), quick.ID, node.Split{Parts: []node.SplitPart{{Line: ids[0], Quantity: 1000}}})
	require.NoError(t, err)
	r, err := s.CloseTab(t.Context(), quick.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 300}})
	require.NoError(t, err)
	if len(r.Parsed.Orders) == 0 { // it was settled before it was confirmed as an order
		require.Eventually(t, func() bool { return len(ordered(moved.To.ID)) == 1 }, patience, 5*time.Millisecond, "nobody else says that the part was ordered")
	}
}
