package node_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

// BenchmarkCloseWithASigningDevice closes tabs of one line with real fsync, by so many sellers at once: without a device, with the
// software TSE (two writes of its own, shared by those who wait), and with the RKSV chain (none of its own).
func BenchmarkCloseWithASigningDevice(b *testing.B) {
	for _, country := range []string{"CH", "DE", "AT"} {
		for _, sellers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%s/sellers=%d", country, sellers), func(b *testing.B) { benchClose(b, country, sellers) })
		}
	}
}

func benchClose(b *testing.B, country string, sellers int) {
	data := filepath.Join(b.TempDir(), "kasse1")
	_, err := node.Found(b.Context(), node.FoundOptions{Data: data, Shop: "Café Mitte", Name: "Kasse 1", Country: country})
	require.NoError(b, err)
	s := &stand{options: node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Log: logTo(b), Signers: node.SoftwareSigners(data, node.Environment{})}}
	s.start(b)
	require.NoError(b, s.EditTax(b.Context(), crdt.ObjectID{1}, catalog.TaxEdit{Names: ptr(catalog.Named("Normal")),
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 2000, FiscalKey: 1}}}))
	s.sell(b, 100)
	tabs := make(chan crdt.ObjectID, b.N+sellers)
	var failed atomic.Pointer[error]
	inParallel(b.N, 64, func() {
		if err := s.ready(b, tabs); err != nil {
			failed.Store(&err)
		}
	})
	b.ResetTimer()
	inParallel(b.N, sellers, func() {
		if _, err := s.CloseTab(b.Context(), <-tabs, "Anna", []node.NewPayment{{Type: "Bar", Amount: 100}}); err != nil {
			failed.Store(&err)
		}
	})
	b.StopTimer()
	if err := failed.Load(); err != nil {
		b.Fatal(*err)
	}
	s.stop()
}

// ready opens a tab with one line.
func (s *stand) ready(b *testing.B, tabs chan crdt.ObjectID) error {
	tab, err := s.OpenTab(b.Context(), node.NewTab{User: "Anna"})
	if err != nil {
		return err
	}
	line := node.NewLine{Open: &node.OpenItem{Name: "Kaffee", Price: 100, Tax: crdt.ObjectID{1}}, Quantity: 1000, User: "Anna"}
	if _, _, err := s.AddLines(b.Context(), tab.ID, []node.NewLine{line}); err != nil {
		return err
	}
	tabs <- tab.ID
	return nil
}

// inParallel does something n times, by so many at once.
func inParallel(n, workers int, do func()) {
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	done := make(chan struct{})
	for range workers {
		go func() {
			for range left {
				do()
			}
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
}
