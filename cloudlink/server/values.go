package server

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// inShop names a shop in the path.
type inShop struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters" example:"aaaqeayeaudaocajbifqydiob4"`
}

// shop returns the shop of a path if it belongs to the account that asks.
func (s *Server) shop(ctx context.Context, id string) (accounts.Shop, error) {
	shop, err := crdt.ParseShopID(id)
	if err != nil {
		return accounts.Shop{}, invalid("path.shop", "path.shop: %v", err)
	}
	return s.o.Accounts.Shop(ctx, callerOf(ctx), shop)
}

func parseShop(field, s string) (crdt.ShopID, error) {
	id, err := crdt.ParseShopID(s)
	if err != nil {
		return id, invalid(field, "%s: %v", field, err)
	}
	return id, nil
}

func parseTill(field, s string) (crdt.TillID, error) {
	id, err := crdt.ParseTillID(s)
	if err != nil {
		return id, invalid(field, "%s: %v", field, err)
	}
	return id, nil
}

// parseObject reads the ID of an object; an empty text is the zero ID.
func parseObject(field, s string) (crdt.ObjectID, error) {
	if s == "" {
		return crdt.ObjectID{}, nil
	}
	id, err := crdt.ParseObjectID(s)
	if err != nil {
		return id, invalid(field, "%s: %v", field, err)
	}
	return id, nil
}

// parseHex reads exactly n bytes.
func parseHex(field, s string, n int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != n {
		return nil, invalid(field, "%s: it is not %d bytes in hexadecimal", field, n)
	}
	return b, nil
}

func checkDay(field, day string) error {
	if day != "" && catalog.CheckDay(day) != nil {
		return invalid(field, "%s: %q is not a date such as 2026-01-31", field, httpapi.Clip(day, 40))
	}
	return nil
}

// objectText is the reverse of parseObject.
func objectText(id crdt.ObjectID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func shopText(id crdt.ShopID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func tillText(id crdt.TillID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func tillTexts(list []crdt.TillID) []string {
	out := make([]string, len(list))
	for i, id := range list {
		out[i] = id.String()
	}
	return out
}

func hashTexts(list [][32]byte) []string {
	out := make([]string, len(list))
	for i, h := range list {
		out[i] = hex.EncodeToString(h[:])
	}
	return out
}

// instant writes a time as RFC 3339 in UTC with milliseconds, empty if there is none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// page is one part of a list.
type page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next" doc:"Cursor for the parameter after; empty at the end"`
}

// whole is a list that is never longer than one page.
func whole[T, U any](list []T, show func(T) U) page[U] {
	p := page[U]{Items: make([]U, 0, len(list))}
	for _, v := range list {
		p.Items = append(p.Items, show(v))
	}
	return p
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
