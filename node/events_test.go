package node

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEventsAreToldInOrderAndResumed(t *testing.T) {
	e := newEvents(3, time.Now)
	start := e.Last()
	e.post(Event{What: "tab", Object: "a"}, Event{What: "tab", Object: "b"})
	list, known, ok := e.After(t.Context(), start)
	require.True(t, known && ok)
	require.Len(t, list, 2)
	list, known, ok = e.After(t.Context(), list[0].ID)
	require.True(t, known && ok)
	require.Len(t, list, 1)
	require.Equal(t, "b", list[0].Object)
}

func TestEventsWaitForMore(t *testing.T) {
	e := newEvents(3, time.Now)
	got, last := make(chan string), e.Last()
	go func() {
		list, _, _ := e.After(context.Background(), last)
		got <- list[0].Object
	}()
	e.post(Event{What: "tab", Object: "a"})
	require.Equal(t, "a", <-got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, ok := e.After(ctx, e.Last())
	require.False(t, ok, "who waits can leave")
	e.close()
	e.close()
	_, _, ok = e.After(t.Context(), e.Last())
	require.False(t, ok, "the till stops")
	e.post(Event{What: "tab"})
}

func TestAGapInEventsIsSaid(t *testing.T) {
	e := newEvents(3, time.Now)
	start := e.Last()
	for i := range eventsKept + 10 {
		e.post(Event{What: "tab", Object: fmt.Sprint(i)})
	}
	_, known, ok := e.After(t.Context(), start)
	require.True(t, ok)
	require.False(t, known, "the first ones are gone")
	_, known, _ = newEvents(4, time.Now).After(t.Context(), e.Last())
	require.False(t, known, "an ID of another start")
	list, known, _ := e.After(t.Context(), e.Last()-1)
	require.True(t, known)
	require.Len(t, list, 1)
	require.Equal(t, fmt.Sprint(eventsKept+9), list[0].Object)
}

func TestAValueReadBeforeAChangeIsNotKept(t *testing.T) {
	var c cached[int]
	_, gen, ok := c.get()
	require.False(t, ok)
	c.drop() // something changed while the value was computed
	c.set(1, gen)
	_, gen, ok = c.get()
	require.False(t, ok)
	c.set(2, gen)
	v, _, ok := c.get()
	require.True(t, ok)
	require.Equal(t, 2, v)
}
