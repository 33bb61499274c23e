package hostdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"sync"

	"github.com/tidemark/tidemark/internal/volume"
)

// holdsCallers says whether the kernel keeps a process that asks this filesystem, even when it is killed, until the
// filesystem answers: so it is with FUSE, whose requests are waited out once its server has them. A process with such a
// call under way cannot end; therefore another one asks, which can be left behind.
func (m mount) holdsCallers() bool {
	return strings.HasPrefix(m.fstype, "fuse") || m.fstype == "virtiofs"
}

// question and answer go between the two processes, each a line of JSON. Answers come in any order.
type question struct {
	ID           int
	Point        []byte // need not be UTF-8
	Fstype       string
	Major, Minor uint32
}

type answer struct {
	ID       int
	Usage    volume.Usage
	Reserved int64
	Problem  problem
	Message  string // of a problem
}

// problem is the kind of an error, which the asking process tells apart.
type problem int

const (
	noProblem problem = iota
	otherProblem
	notAVolume
	isCovered
	isAFile
	notThere
)

// kinds are the errors that sampling tells apart.
var kinds = map[problem]error{notAVolume: errNotAVolume, isCovered: errCovered, isAFile: errIsAFile, notThere: fs.ErrNotExist}

// Serve answers the questions that another process writes to in, until that ends. It does not wait for filesystems that
// hang then.
func Serve(in io.Reader, out io.Writer) error {
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	var mu sync.Mutex // guards answers
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read a question: %w", err)
		}
		go func() {
			a := answerTo(q)
			mu.Lock()
			defer mu.Unlock()
			answers.Encode(a) // fails when the other process has ended; then so does in
		}()
	}
}

func answerTo(q question) answer {
	got, err := readUsage(mount{point: string(q.Point), fstype: q.Fstype, major: q.Major, minor: q.Minor})
	if err == nil {
		return answer{ID: q.ID, Usage: got.Usage, Reserved: got.reserved}
	}
	a := answer{ID: q.ID, Problem: otherProblem, Message: err.Error()}
	for kind, is := range kinds {
		if errors.Is(err, is) {
			a.Problem = kind
		}
	}
	return a
}

// apart reads by way of another process, which runs Serve. It is started when it is first needed, and again when it has
// ended. Its methods may be called concurrently.
type apart struct {
	command func() *exec.Cmd

	mu      sync.Mutex
	process *serving // nil while none runs
	last    int      // question's ID
}

// serving is a process that answers.
type serving struct {
	questions io.WriteCloser
	waiting   map[int]chan answer // closed when the process ends before its answer
}

// read asks, for as long as it takes. Where no process can be started it reads in this one.
func (a *apart) read(m mount) (usage, error) {
	reply, err := a.ask(m)
	if err != nil {
		return readUsage(m)
	}
	got, ok := <-reply
	switch {
	case !ok:
		return usage{}, fmt.Errorf("%s: the process that reads it has ended", m.point)
	case got.Problem == noProblem:
		return usage{got.Usage, got.Reserved}, nil
	case kinds[got.Problem] != nil:
		return usage{}, fmt.Errorf("%s: %w", m.point, kinds[got.Problem])
	}
	return usage{}, errors.New(got.Message)
}

func (a *apart) ask(m mount) (<-chan answer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process == nil {
		if err := a.start(); err != nil {
			return nil, err
		}
	}
	a.last++
	line, err := json.Marshal(question{ID: a.last, Point: []byte(m.point), Fstype: m.fstype, Major: m.major, Minor: m.minor})
	if err != nil {
		return nil, err
	}
	reply := make(chan answer, 1)
	a.process.waiting[a.last] = reply
	a.process.questions.Write(append(line, '\n')) // fails when the process has just ended, and then reply is closed
	return reply, nil
}

func (a *apart) start() error {
	cmd := a.command()
	questions, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &serving{questions, map[int]chan answer{}}
	a.process = p
	// Nobody waits for this goroutine: it ends with a process that may be held by a filesystem for ever.
	go func() {
		a.receive(p, json.NewDecoder(answers))
		questions.Close()
		cmd.Wait()
	}()
	return nil
}

// receive hands on the answers of p until it ends.
func (a *apart) receive(p *serving, answers *json.Decoder) {
	for {
		var got answer
		err := answers.Decode(&got)
		a.mu.Lock()
		if err != nil {
			for _, reply := range p.waiting {
				close(reply)
			}
			if a.process == p {
				a.process = nil
			}
			a.mu.Unlock()
			return
		}
		if reply, ok := p.waiting[got.ID]; ok {
			delete(p.waiting, got.ID)
			reply <- got
		}
		a.mu.Unlock()
	}
}

// close lets the process end, as soon as no filesystem holds it.
func (a *apart) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.process != nil {
		a.process.questions.Close()
		a.process = nil
	}
}
