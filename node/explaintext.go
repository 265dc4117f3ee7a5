package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// itemText says what an item is, who wrote it and when (0: its stamp says).
func itemText(typ string, raw []byte) (text, user string, ms int64) {
	text, user, ms, err := readItem(typ, raw)
	if err != nil {
		return unreadable(typ, err), "", 0
	}
	return text, user, ms
}

func readItem(typ string, raw []byte) (text, user string, ms int64, err error) {
	switch typ {
	case receipt.TypeLine:
		v, err := receipt.ParseLine(raw)
		return fmt.Sprintf("%s, %d thousandths at %d %s", v.Name, v.Quantity, v.UnitPrice, v.Currency), v.User, v.MS, err
	case receipt.TypeVoid:
		v, err := receipt.ParseVoid(raw)
		return fmt.Sprintf("line %v taken back: %s%s", v.Line, voidedText(v.Quantity), because(v.Reason)), v.User, v.MS, err
	case receipt.TypePayment:
		v, err := receipt.ParsePayment(raw)
		return fmt.Sprintf("%s of %d for tab %v", v.Type, v.Amount, v.Tab), v.User, v.MS, err
	case receipt.TypeOrder:
		v, err := receipt.ParseOrder(raw)
		return fmt.Sprintf("a signing device confirmed %d lines", len(v.Lines)), v.User, v.MS, err
	case receipt.TypeRelease:
		v, err := receipt.ParseRelease(raw)
		return fmt.Sprintf("let go to be printed on %d of %d tills%s", v.Copies, v.Wanted, because(v.Reason)), v.User, v.MS, err
	case receipt.TypeRefund:
		v, err := receipt.ParseRefund(raw)
		return fmt.Sprintf("%d lines were taken back by receipt %v", len(v.Lines), v.By), "", v.MS, err
	case receipt.TypeResolution:
		v, err := receipt.ParseResolution(raw)
		return fmt.Sprintf("decided: %s%s", v.Decision, because(v.Reason)), v.User, v.MS, err
	case receipt.TypeClosing:
		v, err := receipt.ParseClosing(raw)
		return fmt.Sprintf("%s of numbers %d to %d", receipt.ZText(v.Series, v.Number), v.From, v.To), "", 0, err
	case handover.TypeTakeover:
		v, err := handover.ParseTakeover(raw)
		return fmt.Sprintf("taken over (%s) from %s of till %s", v.How, or(v.FromUser, "somebody"), v.From.Short()), v.User, v.MS, err
	}
	return fmt.Sprintf("%d bytes", len(raw)), "", 0, nil
}

// registerText says what the value of a register says, who wrote it and when (0: its stamp says).
func registerText(typ, register string, raw []byte) (text, user string, ms int64) {
	text, user, ms, err := readRegister(typ, register, raw)
	if err != nil {
		return unreadable(register, err), "", 0
	}
	return text, user, ms
}

func readRegister(typ, register string, raw []byte) (text, user string, ms int64, err error) {
	switch {
	case typ == receipt.TypeTab && register == receipt.RegisterHead:
		v, err := receipt.ParseHead(raw)
		return fmt.Sprintf("called %q", v.Name), v.User, v.OpenedMS, err
	case typ == receipt.TypeTab && register == receipt.RegisterNote:
		v, err := receipt.ParseNote(raw)
		return fmt.Sprintf("note %q", v.Text), "", 0, err
	case typ == receipt.TypeTab && register == receipt.RegisterCustomer:
		v, err := receipt.ParseCustomer(raw)
		return fmt.Sprintf("for customer %q", v.Name), "", 0, err
	case typ == receipt.TypeTab && register == receipt.RegisterMerge:
		v, err := receipt.ParseMerge(raw)
		if v.Into.IsZero() {
			return "merged into none", "", 0, err
		}
		return fmt.Sprintf("merged into tab %v", v.Into), "", 0, err
	case typ == receipt.TypeTab && register == receipt.RegisterClaim:
		v, err := receipt.ParseClaim(raw)
		return fmt.Sprintf("claimed, epoch %d", v.Epoch), v.User, v.MS, err
	case typ == receipt.TypeDiscount:
		v, err := receipt.ParseDiscount(raw)
		if err == nil && v.Removed() {
			return "the discount was removed", v.User, v.MS, nil
		}
		return fmt.Sprintf("discount (%s) of %d basis points, %d, on %v%s", v.Kind, v.Percent, v.Amount, v.Target, because(v.Reason)), v.User, v.MS, err
	case register == receipt.RegisterLocation:
		v, err := receipt.ParseLocation(raw)
		return fmt.Sprintf("put on tab %v", v.Tab), "", 0, err
	case register == receipt.RegisterProgress:
		v, err := receipt.ParseProgress(raw)
		if v.ByHand {
			v.State += ", decided by a person"
		}
		return v.State, "", v.MS, err
	case register == catalog.RegisterNames:
		v, err := catalog.ParseNames(raw)
		return fmt.Sprintf("called %q", v.In(catalog.DefaultLanguage)), "", 0, err
	case register == catalog.RegisterCodes:
		return said("codes")(catalog.ParseCodes(raw))
	case register == catalog.RegisterPlace && typ == catalog.TypeArticle:
		return said("place")(catalog.ParsePlace(raw))
	case register == catalog.RegisterPlace:
		return said("place")(catalog.ParseGroupPlace(raw))
	case register == catalog.RegisterLife:
		v, err := catalog.ParseLife(raw)
		if v.Archived {
			return "archived", "", 0, err
		}
		return "in use", "", 0, err
	case strings.HasPrefix(register, catalog.RegisterPrice):
		v, err := catalog.ParsePrice(raw)
		return fmt.Sprintf("costs %d %s from %s on", v.Amount, v.Currency, strings.TrimPrefix(register, catalog.RegisterPrice)), "", 0, err
	case strings.HasPrefix(register, catalog.RegisterRate):
		v, err := catalog.ParseRate(raw)
		return fmt.Sprintf("%d basis points from %s on", v.BasisPoints, strings.TrimPrefix(register, catalog.RegisterRate)), "", 0, err
	}
	return fmt.Sprintf("%s was written, %d bytes", register, len(raw)), "", 0, nil
}

// said writes a value with all its members.
func said(what string) func(v any, err error) (string, string, int64, error) {
	return func(v any, err error) (string, string, int64, error) {
		if err != nil {
			return "", "", 0, err
		}
		b, err := json.Marshal(v)
		return fmt.Sprintf("%s %s", what, b), "", 0, err
	}
}

func unreadable(what string, err error) string {
	if errors.Is(err, crdt.ErrUpdateNeeded) {
		return fmt.Sprintf("%s was written by a newer program; update this till to read it", what)
	}
	return fmt.Sprintf("%s cannot be read: %v", what, err)
}
