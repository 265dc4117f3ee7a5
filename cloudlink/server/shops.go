package server

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

func (s *Server) addShops() {
	add(s, operation(http.MethodGet, "/api/v1/shops", "Shops", "list-shops", "List the shops of the account", ``), read, s.listShops)
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}", "Shops", "get-shop", "Get a shop", ``), read, s.getShop)
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}/devices", "Shops", "list-devices", "List the tills of a shop that were ever coupled", ``), read, s.listDevices)
	add(s, operation(http.MethodPost, "/api/v1/shops/{shop}/devices/{till}/revoke", "Shops", "revoke-device", "Cut a till off from the cloud",
		`At once and for ever; its receipts stay. The other tills are asked to revoke it in the shop.`), manage, s.revokeDevice)
}

// shop is a shop of the account.
type shop struct {
	ID        string `json:"id" doc:"26 characters"`
	Name      string `json:"name" doc:"At coupling" example:"Café Sonnenschein"`
	Coupled   string `json:"coupled" doc:"RFC 3339"`
	CoupledBy string `json:"coupled_by" doc:"Session, key or code"`
}

func showShop(v accounts.Shop) shop {
	return shop{v.ID.String(), v.Name, instant(v.Coupled), v.CoupledBy}
}

// device is a till that is or was coupled.
type device struct {
	Shop      string `json:"shop"`
	Till      string `json:"till" doc:"52 characters"`
	Name      string `json:"name" example:"Kasse 3"`
	Coupled   string `json:"coupled" doc:"RFC 3339"`
	CoupledBy string `json:"coupled_by" doc:"Session, code, or roster: it belongs to a shop that was coupled"`
	Seen      string `json:"seen" doc:"When it was last heard, RFC 3339, to the minute"`
	Revoked   string `json:"revoked,omitempty" doc:"Since when it is cut off, RFC 3339; left out if it is not"`
	RevokedBy string `json:"revoked_by,omitempty"`
	Why       string `json:"why,omitempty" doc:"It was revoked"`
	Program   string `json:"program" doc:"As it said when it called last; empty: it never did"`
}

func showDevice(d accounts.Device) device {
	return device{d.Shop.String(), d.Till.String(), d.Name, instant(d.Coupled), d.CoupledBy, instant(d.Seen), instant(d.Revoked), d.RevokedBy, d.Why, d.Program}
}

func (s *Server) listShops(ctx context.Context, _ *struct{}) (page[shop], error) {
	list, err := s.o.Accounts.Shops(ctx, callerOf(ctx))
	return whole(list, showShop), err
}

func (s *Server) getShop(ctx context.Context, in *inShop) (shop, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return shop{}, err
	}
	return showShop(v), nil
}

func (s *Server) listDevices(ctx context.Context, in *inShop) (page[device], error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return page[device]{}, err
	}
	list, err := s.o.Accounts.Devices(ctx, v.ID)
	return whole(list, showDevice), err
}

type revokeDeviceIn struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	Till string `path:"till" minLength:"52" maxLength:"52" doc:"ID of the till, 52 characters"`
	Body struct {
		Why string `json:"why" maxLength:"200" doc:"Reason, for the record" example:"gestohlen"`
	}
}

func (s *Server) revokeDevice(ctx context.Context, in *revokeDeviceIn) (device, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return device{}, err
	}
	till, err := parseTill("path.till", in.Till)
	if err != nil {
		return device{}, err
	}
	d, err := s.o.Accounts.RevokeDevice(ctx, callerOf(ctx), v.ID, till, in.Body.Why)
	if err != nil {
		return device{}, err
	}
	return showDevice(d), nil
}
