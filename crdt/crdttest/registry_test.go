package crdttest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryTypeIsCovered reads the source of the document packages beside this one. A document type is a constant
// Type... of a package; each must be listed in the package's Types and run through crdttest.Run by its tests.
func TestEveryTypeIsCovered(t *testing.T) {
	entries, err := os.ReadDir("..")
	require.NoError(t, err)
	total := 0
	for _, e := range entries {
		if !e.IsDir() || e.Name() == "crdttest" || e.Name() == "codec" || e.Name() == "testdata" {
			continue
		}
		sources, err := filepath.Glob(filepath.Join("..", e.Name(), "*.go"))
		require.NoError(t, err)
		files := make(map[string]string)
		for _, path := range sources {
			src, err := os.ReadFile(path)
			require.NoError(t, err)
			files[path] = string(src)
		}
		types, problems := audit(t, files)
		total += len(types)
		for _, p := range problems {
			t.Errorf("package crdt/%s: %s", e.Name(), p)
		}
	}
	require.NotZero(t, total, "no document type found at all; this test looks in the wrong place")
}

// TestAuditFinds proves that the audit above can fail.
func TestAuditFinds(t *testing.T) {
	const doc = `package doc
		const ( TypeA = "a"; TypeB = "b" )
		var Types = []string{TypeA, TypeB}`
	const covers = `package doc_test
		import ("testing"; "github.com/tillmesh/tillmesh/crdt/crdttest"; "doc")
		func TestLaws(t *testing.T) {
			for _, d := range []crdttest.Type{{Name: doc.TypeA}, {Name: "b"}} { crdttest.Run(t, d) }
		}`
	for name, test := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"covered":  {map[string]string{"a.go": doc, "a_test.go": covers}, nil},
		"no tests": {map[string]string{"a.go": doc}, []string{`type "a" is never run`, `type "b" is never run`}},
		"one missing": {map[string]string{"a.go": doc, "a_test.go": strings.Replace(covers, `{Name: "b"}`, ``, 1)},
			[]string{`type "b" is never run`}},
		"one at a time": {map[string]string{"a.go": doc, "a_test.go": `package doc
			import "github.com/tillmesh/tillmesh/crdt/crdttest"
			func TestA(t *testing.T) { crdttest.Run(t, crdttest.Type{Name: TypeA}) }
			func TestB(t *testing.T) { d := crdttest.Type{Name: TypeB}; crdttest.Run(t, d) }`}, nil},
		"described but not run": {map[string]string{"a.go": doc, "a_test.go": strings.Replace(covers, "crdttest.Run", "use", 1)},
			[]string{`type "a" is never run`, `type "b" is never run`}},
		"some other Name": {map[string]string{"a.go": doc, "a_test.go": covers + `
			var x = other.Type{Name: TypeB}`}, nil},
		"not listed": {map[string]string{"a.go": strings.Replace(doc, "TypeA, TypeB", "TypeA", 1), "a_test.go": covers},
			[]string{`type "b" is missing in Types`}},
		"listed without constant": {map[string]string{"a.go": strings.Replace(doc, "TypeA, ", `"c", TypeA, `, 1), "a_test.go": covers},
			[]string{`type "c" of Types has no constant`}},
		"two of one name": {map[string]string{"a.go": strings.Replace(doc, `"b"`, `"a"`, 1), "a_test.go": covers},
			[]string{`type "a" is declared twice`}},
		"no constant at all": {map[string]string{"a.go": doc, "a_test.go": covers, "b.go": `package doc
			func f() crdt.Piece { return crdt.Piece{Kind: crdt.KindItem, Type: "hidden"} }`},
			[]string{`b.go:2 spells the type "hidden"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := audit(t, test.files)
			require.Len(t, problems, len(test.want), "%q", problems)
			for i, want := range test.want {
				require.Contains(t, problems[i], want)
			}
		})
	}
}

// audit returns the document types that the files of one package declare and what is wrong with them.
func audit(t *testing.T, files map[string]string) (types, problems []string) {
	t.Helper()
	fset := token.NewFileSet()
	constants := make(map[string]string) // identifier -> type
	var listed, run []string
	var tests []*ast.File
	var lists []ast.Expr
	runs := false
	for _, name := range sortedKeys(files) {
		f, err := parser.ParseFile(fset, name, files[name], parser.SkipObjectResolution)
		require.NoError(t, err)
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, f)
			continue
		}
		for ident, value := range typeConstants(f) {
			if slices.Contains(types, value) {
				problems = append(problems, fmt.Sprintf("type %q is declared twice", value))
			} else {
				types = append(types, value)
			}
			constants[ident] = value
		}
		lists = append(lists, typesVariable(f)...)
		problems = append(problems, spelled(fset, f)...)
	}
	slices.Sort(types)
	for _, e := range lists {
		if value, ok := resolve(e, constants); ok {
			listed = append(listed, value)
		}
	}
	for _, f := range tests {
		for _, e := range suiteNames(f) {
			if value, ok := resolve(e, constants); ok {
				run = append(run, value)
			}
		}
		runs = runs || callsRun(f)
	}
	for _, value := range types {
		if !slices.Contains(listed, value) {
			problems = append(problems, fmt.Sprintf("type %q is missing in Types", value))
		}
		if !runs || !slices.Contains(run, value) {
			problems = append(problems, fmt.Sprintf("type %q is never run through crdttest.Run by the package's tests", value))
		}
	}
	for _, value := range listed {
		if !slices.Contains(types, value) {
			problems = append(problems, fmt.Sprintf("type %q of Types has no constant Type...", value))
		}
	}
	return types, problems
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// typeConstants returns the string constants of a file whose names begin with Type and go on.
func typeConstants(f *ast.File) map[string]string {
	found := make(map[string]string)
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				if !strings.HasPrefix(name.Name, "Type") || name.Name == "Type" || i >= len(v.Values) {
					continue
				}
				if value, ok := resolve(v.Values[i], nil); ok {
					found[name.Name] = value
				}
			}
		}
	}
	return found
}

// typesVariable returns the elements of the package's variable Types.
func typesVariable(f *ast.File) []ast.Expr {
	for _, decl := range f.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			if len(v.Names) == 1 && v.Names[0].Name == "Types" && len(v.Values) == 1 {
				if list, ok := v.Values[0].(*ast.CompositeLit); ok {
					return list.Elts
				}
			}
		}
	}
	return nil
}

// spelled finds pieces, keys and references whose type is a text in place, where no audit would see it.
func spelled(fset *token.FileSet, f *ast.File) (problems []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if sel, ok := lit.Type.(*ast.SelectorExpr); lit.Type != nil && (!ok || fmt.Sprint(sel.X) != "crdt") {
			return true
		}
		for _, e := range lit.Elts {
			kv, ok := e.(*ast.KeyValueExpr)
			if !ok || fmt.Sprint(kv.Key) != "Type" {
				continue
			}
			if value, ok := resolve(kv.Value, nil); ok {
				p := fset.Position(kv.Pos())
				problems = append(problems, fmt.Sprintf("%s:%d spells the type %q, use a constant Type...",
					filepath.Base(p.Filename), p.Line, value))
			}
		}
		return true
	})
	return problems
}

// suiteNames returns the Name of every crdttest.Type a test file describes, alone or in a list.
func suiteNames(f *ast.File) (names []ast.Expr) {
	name := func(lit *ast.CompositeLit) {
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Name" {
					names = append(names, kv.Value)
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if isSuite(lit.Type, "Type") {
			name(lit)
		}
		if list, ok := lit.Type.(*ast.ArrayType); ok && isSuite(list.Elt, "Type") {
			for _, e := range lit.Elts {
				if inner, ok := e.(*ast.CompositeLit); ok && inner.Type == nil {
					name(inner)
				}
			}
		}
		return true
	})
	return names
}

func callsRun(f *ast.File) (calls bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			calls = calls || isSuite(call.Fun, "Run")
		}
		return true
	})
	return calls
}

func isSuite(e ast.Expr, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "crdttest"
}

// resolve returns the text of a literal, or of a constant by its name, with a package before it or not.
func resolve(e ast.Expr, constants map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		s, ok := constants[e.Name]
		return s, ok
	case *ast.SelectorExpr:
		s, ok := constants[e.Sel.Name]
		return s, ok
	}
	return "", false
}
