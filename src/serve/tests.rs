//! What a server does when its model is slow or fails, with a model that does so when it is told.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex};

use super::*;
use crate::bundle::{Description, Lineage, ModelName};
use crate::event::Event;
use crate::predictor::{Capacity, Datatype, Elements, InferRequest, InferResponse, NamedTensor, Predictor};
use crate::predictor::{Signature, Tensor};

/// Gives back the word it is given, except for these: `fail`, `panic`, and `wait` until the gate is open.
struct Echo {
    signature: Signature,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        drop(self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
    }
}

impl Predictor for Echo {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &str {
        "echo"
    }

    fn warm(&self, _: &InferRequest) -> Result<()> {
        Ok(())
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse> {
        self.signature.check(request)?;
        match request.inputs[0].data.text(0).as_deref() {
            Some("fail") => return Err(Error::failed("node Gemm in /home/somebody/model.onnx")),
            Some("panic") => panic!("told to"),
            Some("wait") => self.gate.wait(),
            _ => {}
        }
        let word = NamedTensor { name: "echo".into(), ..request.inputs[0].clone() };
        Ok(InferResponse::of(vec![word], request))
    }
}

/// A server in threads of this process.
struct Server {
    gate: Arc<Gate>,
    address: String,
    events: Receiver<Event>,
    interrupt: Interrupt,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
}

struct Tell(Mutex<Sender<Event>>);

impl EventSink for Tell {
    fn emit(&self, event: Event) {
        let _ = self.0.lock().unwrap().send(event);
    }
}

impl Server {
    fn start() -> Self {
        let gate = Arc::new(Gate::default());
        let word =
            |name: &str| Tensor { name: name.into(), datatype: Datatype::Bytes, shape: vec![1], columns: vec![] };
        let signature = Signature { inputs: vec![word("word")], outputs: vec![word("echo")] };
        let predictor = Box::new(Echo { signature, gate: gate.clone() });
        let release = Release::new(description(), None, predictor, Capacity::default());
        let (sender, events) = channel();
        let sink: Arc<dyn EventSink> = Arc::new(Tell(Mutex::new(sender)));
        let interrupt = Interrupt::default();
        let options = Options { port: 0, ..Options::default() };
        let stop = interrupt.clone();
        let thread = std::thread::spawn(move || run(options, vec![release], Vec::new(), &stop, &sink));
        let address = loop {
            match events.recv().expect("the server says where it is") {
                Event::Note { message } => break message.rsplit_once('/').unwrap().1.to_owned(),
                _ => continue,
            }
        };
        Self { gate, address, events, interrupt, thread: Some(thread) }
    }

    fn say(&self, word: &str) -> String {
        say(&self.address, word)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gate.open();
        self.interrupt.request();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }
}

fn say(address: &str, word: &str) -> String {
    let tensor = NamedTensor { name: "word".into(), shape: vec![1], data: Elements::Bytes(vec![word.into()]) };
    let body = serde_json::to_string(&InferRequest { inputs: vec![tensor], ..InferRequest::default() }).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head =
        format!("POST /v2/models/echo/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn description() -> Description {
    Description {
        format: 1,
        model: ModelName { name: "echo".into(), version: 1, description: None },
        serve: None,
        signature: None,
        runtimes: vec![],
        lineage: Lineage {
            run: None,
            step: None,
            commit: None,
            params: Default::default(),
            metrics: Default::default(),
            data: vec![],
            environment: None,
        },
        smoke: None,
        files: vec![],
    }
}

#[test]
fn a_failure_of_the_model_is_told_to_the_log_and_not_to_the_client() {
    let server = Server::start();

    let (failed, panicked, good) = (server.say("fail"), server.say("panic"), server.say("good"));

    assert!(failed.starts_with("HTTP/1.1 500 "), "{failed}");
    assert!(failed.ends_with(r#"{"error":"the model failed on this request"}"#), "{failed}");
    assert!(panicked.starts_with("HTTP/1.1 500 ") && !panicked.contains("told to"), "{panicked}");
    assert!(good.starts_with("HTTP/1.1 200 ") && good.contains(r#""data":["good"]"#), "{good}");
    let told = |event: Event| matches!(event, Event::Warning { message, .. } if message.contains("/home/somebody"));
    assert!(server.events.try_iter().any(told));
}

#[test]
fn what_is_too_much_is_turned_away_until_there_is_room_again() {
    let server = Server::start();
    let (sender, answers) = channel();
    // More than one worker and its queue can take.
    let clients = 80;
    for _ in 0..clients {
        let (sender, address) = (sender.clone(), server.address.clone());
        std::thread::spawn(move || sender.send(say(&address, "wait")));
    }

    let refused = answers.recv().unwrap();
    server.gate.open();

    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nretry-after: 1\r\n"), "{refused}");
    let rest: Vec<String> = answers.iter().take(clients - 1).collect();
    assert!(rest.iter().all(|answer| answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 503 ")));
    assert!(rest.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count() >= 65);
    assert!(server.say("good").starts_with("HTTP/1.1 200 "));
}
