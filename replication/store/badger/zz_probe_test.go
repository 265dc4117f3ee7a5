package badger_test
import ("testing";"context";"os";"path/filepath";"time";"slices";"fmt"
bdgr "github.com/dgraph-io/badger/v4"
"github.com/tillmesh/tillmesh/replication/store/badger"
"github.com/tillmesh/tillmesh/replication/store/rows")
func TestProbeFlip(t *testing.T){
 for _, where := range []int{100, 20000, 200000} {
 dir:=t.TempDir(); s,_:=open(dir); next:=batches(1000); ctx:=context.Background()
 for range 20 { if err:=s.Commit(ctx,next());err!=nil{t.Fatal(err)} }
 s.Close()
 ms,_:=filepath.Glob(filepath.Join(dir,"*.sst")); for _,m:=range ms{ b,_:=os.ReadFile(m); if where<len(b){ for i:=range 8 {b[where+i]^=0x5a}}; os.WriteFile(m,b,0o600)}
 s,err:=open(dir); if err!=nil{ fmt.Println(where,"open",err); continue}
 f,err:=s.Scan(ctx,nil,nil,1000000,0); fmt.Println(where,len(ms),"scan",len(f),err)
 miss:=0; nx:=batches(1000); var lerr error
 for range 20 { var ks [][]byte; for _,w:=range nx(){ks=append(ks,append([]byte{},w.Key...))}; v,err:=s.Load(ctx,ks); if err!=nil{lerr=err; break}; for _,x:=range v{ if x==nil{miss++}} }
 fmt.Println("load missing",miss,lerr)
 fmt.Println("close",s.Close())
 }
}
func TestProbePair(t *testing.T){
 for _,size:=range []int{1,4,256}{
 s,_:=open(t.TempDir()); dir:=t.TempDir()
 db,_:=bdgr.Open(badger.BadgerOptions(badger.Options{}).WithDir(dir).WithValueDir(dir).WithLogger(nil))
 na,nb:=batches(size),batches(size); var a,b []time.Duration
 for range 1500 { t0:=time.Now(); s.Commit(context.Background(),na()); a=append(a,time.Since(t0))
  t0=time.Now(); tx:=db.NewTransaction(true); for _,w:=range nb(){tx.Set(w.Key,w.Value)}; tx.Commit(); b=append(b,time.Since(t0)) }
 slices.Sort(a);slices.Sort(b)
 fmt.Println(size,"store p50",a[750],"p99",a[1485],"floor p50",b[750],"p99",b[1485])
 s.Close();db.Close() }
 _ = rows.MaxKey
}
