package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
)

// restoreStatement is what the archive of an account says about a restore. Tills that saw more show it with their alarm.
type restoreStatement struct {
	Account string    `json:"account"`
	Size    int64     `json:"size"` // records that the backup held; what came after is another history
	Root    string    `json:"root"` // of the tree over them, hexadecimal
	Time    time.Time `json:"time"`
}

// accountsAtOnce is how many accounts are listed at a time.
const accountsAtOnce = 500

// sayRestored has the archive of each account say, signed and as a record of it, that it was restored.
func (r *restoreCommand) sayRestored(ctx context.Context, made time.Time) (list []restoreStatement, err error) {
	list = []restoreStatement{}
	err = r.open(ctx, func(d *data) error {
		signer, err := archive.NewSigner(d.Installation().Key)
		if err != nil {
			return err
		}
		for after := (archive.AccountID{}); ; {
			ids, err := d.logs.Accounts(ctx, after, accountsAtOnce)
			if err != nil || len(ids) == 0 {
				return err
			}
			for _, id := range ids {
				s, err := d.logs.Restored(ctx, id, made, time.Now(), signer)
				if err != nil {
					return err
				}
				if after = id; s.Size > 0 {
					list = append(list, restoreStatement{id.String(), s.Size, hex.EncodeToString(s.Root[:]), time.UnixMilli(s.Time).UTC()})
				}
			}
		}
	})
	return list, err
}

func statementsText(list []restoreStatement) string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "the archive of account %s goes on from record %d, and says so\n", s.Account, s.Size)
	}
	if len(list) > 0 {
		b.WriteString("tills that saw more raise an alarm and show that; an owner accepts it at each of them with: till alarms --accept ID --by NAME\n")
	}
	return b.String()
}
