package uplink_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
)

func TestMain(m *testing.M) {
	// A probe of memberlist that is under way when its till stops ends by itself within seconds; nothing can end it sooner.
	os.Exit(databasetest.Main(m, goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")))
}
