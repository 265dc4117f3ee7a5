package seats_test

import (
	"os"
	"testing"

	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }
