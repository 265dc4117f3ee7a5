package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
)

// scripted is a supervisor whose till fails to open as the list says.
func scripted(fails ...error) (s *supervisor, halts *[]string, opened *int) {
	halts, opened = new([]string), new(int)
	return &supervisor{
		log: slog.New(slog.DiscardHandler), between: sleep,
		open: func(context.Context) (*node.Machine, error) {
			*opened++
			return nil, fails[*opened-1]
		},
		noShop: func(context.Context) error { return nil },
		halted: func(h *node.Halt) { *halts = append(*halts, h.Kind) },
	}, halts, opened
}

func TestAHaltIsMendedAndOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		halt := func(kind string) error {
			return &node.Halt{Kind: kind, Mend: func(context.Context) error { return nil }}
		}
		s, halts, opened := scripted(node.ErrNoShop, halt("disk-full"), halt("doubt"), halt("doubt"), broken)
		began := time.Now()
		require.ErrorIs(t, s.run(t.Context()), broken)
		require.Equal(t, []string{"disk-full", "doubt", "doubt"}, *halts)
		require.Equal(t, 5, *opened)
		require.Equal(t, 7*time.Second, time.Since(began), "pauses of 1, 2 and 4 s: what halts at once is not opened again at once")
	})
}

func TestWhatCannotBeMendedWaitsOrEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, halts, opened := scripted(&node.Halt{Kind: "doubt"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, s.run(ctx), "it stays until it is told to stop")
		require.Equal(t, []string{"doubt"}, *halts)
		require.Equal(t, 1, *opened)

		failed := errors.New("it cannot be mended")
		s, _, _ = scripted(&node.Halt{Kind: "doubt", Mend: func(context.Context) error { return failed }})
		require.ErrorIs(t, s.run(t.Context()), failed)

		s, _, _ = scripted(context.Canceled)
		ended, end := context.WithCancel(t.Context())
		end()
		require.NoError(t, s.run(ended))
	})
}

func TestTheDoorHoldsRequestsUntilTheTillIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor()
		ask := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/healthz", nil))
			return w
		}
		require.Equal(t, http.StatusServiceUnavailable, ask().Code, "not for ever")
		got := make(chan int, 1)
		go func() { got <- ask().Code }()
		synctest.Wait()
		d.show(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
		require.Equal(t, http.StatusTeapot, <-got)
		d.show(api.Halted(api.Options{}, &node.Halt{Kind: "disk-full", Text: "the disk of this till is full"}))
		w := ask()
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Contains(t, w.Body.String(), "the disk of this till is full")
	})
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]uint64{"2GB": 2 << 30, "500 mb": 500 << 20, "64KB": 64 << 10, "12": 12, "7B": 7, "1TB": 1 << 40, "0": 0} {
		var s byteSize
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.EqualValues(t, want, s, text)
	}
	for _, text := range []string{"", "GB", "-1", "1.5GB", "99999999TB", "5 apples"} {
		var s byteSize
		require.Error(t, s.UnmarshalText([]byte(text)), text)
	}
	_, err := diskFlags{Warn: 1, NoNewTabs: 2, Close: 3}.limits()
	require.ErrorContains(t, err, "disk limits")
}
