package database_test

import (
	"os"
	"testing"

	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/replication/store/storetest"
)

func TestMain(m *testing.M) {
	if os.Getenv("STORETEST_ROLE") != "" { // a child process of the suite
		os.Exit(storetest.Main(m, openShop))
	}
	os.Exit(databasetest.Main(m))
}
