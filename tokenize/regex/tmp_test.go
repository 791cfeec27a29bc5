package regex
import ("testing";"bufio";"os";"encoding/json";"reflect")
type kase struct{ P string; T []string; R [][][3]int; Err string }
func TestTmp(t *testing.T){
 f,err:=os.Open("/tmp/pre/cases.jsonl"); if err!=nil{t.Skip()}
 sc:=bufio.NewScanner(f); sc.Buffer(nil,1<<26)
 n,bad,refused,accepted:=0,0,0,0
 for sc.Scan(){
  var k kase
  if err:=json.Unmarshal(sc.Bytes(),&k);err!=nil{t.Fatal(err)}
  r,err:=Compile(k.P)
  if err!=nil { if k.Err==""{ refused++; if refused<60 {t.Logf("REFUSED %v",err)}}; continue}
  if k.Err!="" { accepted++; if accepted<60 {t.Logf("ACCEPTED %q: %s",k.P,k.Err)}; continue}
  m:=r.NewMatcher()
  for i,s:=range k.T {
   n++
   got:=[][3]int{}
   last,lastEnd:=0,-1
   for last<=len(s) {
     a,b,ok,err:=m.Next([]byte(s),last)
     if err!=nil {t.Errorf("%q %q: %v",k.P,s,err);break}
     if !ok {break}
     if a==b && b==lastEnd { if last==len(s){break}; last+=width([]byte(s),last); continue}
     got=append(got,[3]int{a,b,0}); last,lastEnd=b,b
   }
   // nonempty only
   ne:=[][3]int{}
   for _,g:=range got { if g[0]<g[1] {ne=append(ne,g)}}
   want:=k.R[i]; if want==nil{want=[][3]int{}}
   if !reflect.DeepEqual(ne,want) { bad++; if bad<60 {t.Errorf("%q on %q: got %v want %v",k.P,s,ne,want)} }
  }
 }
 t.Log(n,"bad",bad,"refused",refused,"accepted",accepted)
}
