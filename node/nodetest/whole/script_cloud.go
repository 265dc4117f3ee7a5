package whole

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/simulation"
)

var errNoCloud = errors.New("the shop has no cloud, or nobody is connected with it")

// cloudVerbs are about the cloud, which statements call C.
var cloudVerbs = verbs{
	"cloud": {Params: "word [int]", Help: "the shop gets a cloud, of so many servers, and is coupled with it at a till", Do: on(func(s *Script, t *Till, a args) error {
		s.AddCloud(a.Int(0, 1)).Couple(t)
		return s.W.Err()
	})},
	"offline": {Params: "word [time]", Help: "a till, or all, has no internet", Do: func(s *Script, a args) error {
		return s.internet(a, func(tills []*Till) { s.Cloud.cut(tills, a.Time(1, simulation.Forever)) })
	}},
	"online": {Params: "word", Help: "it has it again", Do: func(s *Script, a args) error {
		return s.internet(a, func(tills []*Till) { s.Cloud.join(tills) })
	}},
	"slow": {Params: "word time", Help: "words between a till, or all, and the cloud take up to this", Do: func(s *Script, a args) error {
		return s.internet(a, func(tills []*Till) {
			for _, t := range tills {
				s.Cloud.slow(t, a.Time(1, time.Second))
			}
		})
	}},
	"lost-answers": {Params: "int", Help: "so many times all connections with the cloud end right after it wrote something", Do: func(s *Script, a args) error {
		s.Cloud.drops += a.Int(0, 1)
		return nil
	}},
	"server": {Params: "word [int]", Help: "kill, stop, start or hang a server of the cloud: server kill 2", Do: func(s *Script, a args) error {
		n := a.Int(1, 1)
		if s.Cloud == nil || n < 1 || n > len(s.Cloud.servers) {
			return errNoCloud
		}
		v := s.Cloud.servers[n-1]
		what := map[string]func(){"kill": v.kill, "stop": v.stop, "start": func() { s.Cloud.start(v) }, "hang": func() { v.hang(simulation.Forever) }, "wake": func() { v.mute = false }}[a.Word(0)]
		if what == nil {
			return fmt.Errorf("%q: %w", a.Word(0), simulation.ErrScenario)
		}
		what()
		return s.W.Err()
	}},
	"cloud-clock": {Params: "time", Help: "the clock of the cloud is ahead by that", Do: func(s *Script, a args) error {
		s.Cloud.ahead = a.Time(0, 0)
		return s.W.Err()
	}},
	"cloud-backup": {Params: "word", Help: "a backup of the cloud, under a name", Do: func(s *Script, a args) (err error) {
		s.saves[a.Word(0)], err = s.Cloud.backup()
		return err
	}},
	"cloud-restore": {Params: "word", Help: "put the backup of that name in the place of the cloud", Do: func(s *Script, a args) error {
		return s.Cloud.restore(s.saves[a.Word(0)])
	}},
	"cloud-prices": {Params: "word word int", Help: "at the cloud, an article gets a price and a tax that a till made: cloud-prices tea 3.40 7", Do: func(s *Script, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		p := catalog.Price{Amount: int64(sum), Currency: "EUR", Tax: crdt.ObjectID{1, 9, byte(a.Int(2, 0))}}
		return s.Cloud.edit("the price", func(ctx context.Context, r *replicas.Replicas) error {
			return r.EditArticle(ctx, s.Cloud.shopID(), s.article(a.Word(0)), func(catalog.Article, string) (catalog.ArticleEdit, error) {
				return catalog.ArticleEdit{Prices: map[string]catalog.Price{catalog.DayOne: p}}, nil
			})
		})
	}},
	"archive": {Params: "word word...", Help: "what the archive holds, see archiveShown: archive receipts 12", Do: func(s *Script, a args) error {
		at, known := archiveShown[a.Word(0)]
		if !known || a.Len() != 1+at.words {
			return fmt.Errorf("%q: %w", strings.Join(a.Words, " "), simulation.ErrScenario)
		}
		if s.Cloud == nil {
			return errNoCloud
		}
		return at.at(s, a.Words[1:])
	}},
}

// internet does something about the internet of a till, or of all.
func (s *Script) internet(a args, do func([]*Till)) error {
	if s.Cloud == nil {
		return errNoCloud
	}
	tills := s.Tills
	if a.Word(0) != "all" {
		t, err := s.named(a.Word(0))
		if err != nil {
			return err
		}
		tills = []*Till{t}
	}
	do(tills)
	return nil
}

// archiveShown is what the archive can be asked for.
var archiveShown = map[string]struct {
	words int
	at    func(s *Script, a []string) error
}{
	"receipts": {1, func(s *Script, a []string) error { // so many, each once
		seen := make(map[crdt.ObjectID]int)
		err := s.leaves(archive.Receipt, func(_ merkle.Stored, l archive.Leaf) { seen[l.Object]++ })
		for id, times := range seen {
			if times != 1 {
				return fmt.Errorf("%v is there %d times", id, times)
			}
		}
		return errors.Join(err, same(strconv.Itoa(len(seen)), a[0]))
	}},
	"receipt": {1, func(s *Script, a []string) error { return s.archivedAs(archive.Receipt, a[0], nil) }},
	"closing": {1, func(s *Script, a []string) error { return s.archivedAs(archive.Closing, a[0], nil) }},
	"bytes": {1, func(s *Script, a []string) error { // a closing, as tills showed it when they were asked for its bytes
		return s.archivedAs(archive.Closing, a[0], func(content []byte) error { return same(string(content) == s.closings[a[0]], true) })
	}},
	"notes": {1, func(s *Script, a []string) error { // of leaves that something is wrong with or came late
		n := 0
		err := s.leaves(archive.Note, func(merkle.Stored, archive.Leaf) { n++ })
		return errors.Join(err, same(strconv.Itoa(n), a[0]))
	}},
	"server": {1, func(s *Script, a []string) error { // which one has the shop
		for i, v := range s.Cloud.servers {
			if v.replica != nil {
				return same(strconv.Itoa(i+1), a[0])
			}
		}
		return errNoCloud
	}},
}

// leaves goes through all leaves of a kind.
func (s *Script) leaves(kind archive.Kind, take func(merkle.Stored, archive.Leaf)) error {
	for stored, err := range s.Cloud.logs.Leaves(context.Background(), s.Cloud.account, merkle.Query{Kinds: []archive.Kind{kind}}) {
		if err != nil {
			return err
		}
		l, err := archive.ParseLeaf(stored.Leaf)
		if err != nil {
			return err
		}
		take(stored, l)
	}
	return nil
}

// archivedAs looks for a document by its number, and at its bytes.
func (s *Script) archivedAs(kind archive.Kind, number string, look func([]byte) error) error {
	found := errors.New("it is not in the archive")
	err := s.leaves(kind, func(stored merkle.Stored, l archive.Leaf) {
		if archive.NameOf(l) == number || strings.ReplaceAll(archive.NameOf(l), " ", "-") == number {
			found = nil
			if look != nil {
				found = look(stored.Content)
			}
		}
	})
	return errors.Join(err, found)
}

// cloudShown is what a till can be asked for about the cloud.
var cloudShown = map[string]looked{
	"archived-receipt": {2, func(_ *Script, t *Till, a []string) error {
		r, err := t.Node().Receipt(context.Background(), a[0])
		return errors.Join(err, same(strconv.FormatBool(r.Archived.Held), a[1]))
	}},
	"uplink": {1, func(_ *Script, t *Till, a []string) error { // where it stands with the cloud, such as up-to-date or waiting
		return same(string(t.life.uplink.Status().State), a[0])
	}},
	"cloud-cause": {1, func(_ *Script, t *Till, a []string) error { return same(string(t.life.uplink.Status().Cause), a[0]) }},
	"archive-alarm": {1, func(_ *Script, t *Till, a []string) error {
		n := slices.ContainsFunc(t.Node().Alarms(), func(a node.Alarm) bool { return a.Kind == node.AlarmArchive })
		return same(strconv.FormatBool(n), a[0])
	}},
}
