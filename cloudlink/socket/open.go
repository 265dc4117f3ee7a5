package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

// ErrProtocol means that the other side is a WebSocket, but not one of ours.
var ErrProtocol = errors.New("the other side does not speak " + Protocol)

// Dial opens a stream to a URL (http or https). The client's transport must not use HTTP/2. When the server answered with something else,
// its response is returned with the error; its body holds at most 1024 bytes and need not be closed.
func Dial(ctx context.Context, url string, client *http.Client, header http.Header, limits Limits) (*Stream, *http.Response, error) {
	s := newStream(limits)
	conn, response, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: header, Subprotocols: []string{Protocol}, OnPingReceived: s.answerPing,
	})
	if err != nil {
		return nil, response, err
	}
	s.attach(conn)
	if conn.Subprotocol() != Protocol {
		return nil, response, errors.Join(ErrProtocol, s.Close())
	}
	return s, response, nil
}

// Accept takes a stream, or answers the request with the reason why not. A request that is no upgrade is answered with 426 and our
// protocol, so that a till can find out whether the cloud is there; one that offers other protocols only with 400 and ours, so that
// its program can say which of the two is too old.
func Accept(w http.ResponseWriter, r *http.Request, limits Limits) (*Stream, error) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Sec-WebSocket-Protocol", Protocol)
		http.Error(w, "tills connect here, by WebSocket", http.StatusUpgradeRequired)
		return nil, fmt.Errorf("%w: no upgrade was asked for", ErrProtocol)
	}
	if !offers(r.Header) {
		w.Header().Set("Sec-WebSocket-Protocol", Protocol)
		http.Error(w, "this address speaks "+Protocol+" only", http.StatusBadRequest)
		return nil, ErrProtocol
	}
	s := newStream(limits)
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{Protocol}, OnPingReceived: s.answerPing})
	if err != nil {
		return nil, err
	}
	s.attach(conn)
	return s, nil
}

// IsCloud reports whether the answer to a request that was no upgrade is that of [Accept].
func IsCloud(r *http.Response) bool {
	return r.StatusCode == http.StatusUpgradeRequired && r.Header.Get("Sec-WebSocket-Protocol") == Protocol
}

// offers reports whether a request names our protocol, maybe among others.
func offers(h http.Header) bool {
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == Protocol {
				return true
			}
		}
	}
	return false
}

// Compare looks at the answer to a request that was refused: below zero if it came from a cloud that speaks an older generation of this
// protocol only, above zero if a newer one, and 0 if it says neither.
func Compare(r *http.Response) int {
	number, ok := strings.CutPrefix(r.Header.Get("Sec-WebSocket-Protocol"), family)
	theirs, err := strconv.ParseUint(number, 10, 16)
	if !ok || err != nil {
		return 0
	}
	return cmp.Compare(theirs, generation)
}
