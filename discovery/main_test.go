package discovery_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func till(n byte) crdt.TillID { return crdt.TillID{n} }
func shop(n byte) crdt.ShopID { return crdt.ShopID{n} }
