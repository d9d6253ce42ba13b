//! A model and the sessions that run it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use anyhow::Context;
use ort::environment::Environment;
use ort::session::{Session, SessionInputValue};
use ort::value::Outlet;

use super::Capacity;
use super::value::{self, Form};
use crate::fs::quote;
use crate::predictor::{InferRequest, InferResponse, Predictor, Signature, Tensor};
use crate::{Error, Result};

/// An ONNX model, ready to answer.
pub struct Onnx {
    signature: Signature,
    /// What the outputs are to the runtime, in the order of the signature.
    forms: Vec<Form>,
    /// The runtime lets a session run once at a time.
    sessions: Vec<Mutex<Session>>,
    turn: AtomicUsize,
}

impl Onnx {
    pub fn open(environment: &Environment, model: &Path, capacity: Capacity) -> Result<Self> {
        let cannot = || format!("cannot open the ONNX model `{}`", quote(model));
        let open = || open_session(environment, model, capacity.threads);
        // The copies are made side by side: each takes as long as the first.
        let mut opened = std::thread::scope(|scope| {
            let others: Vec<_> = (1..capacity.workers).map(|_| scope.spawn(open)).collect();
            let first = open();
            let others = others.into_iter().map(|thread| thread.join().expect("opening a session does not panic"));
            std::iter::once(first).chain(others).collect::<ort::Result<Vec<_>>>()
        })
        .with_context(cannot)?
        .into_iter();
        let first = opened.next().expect("there is at least one session");
        let inputs: Vec<Tensor> = first.inputs().iter().map(input).collect::<Result<_>>()?;
        let outputs = first.outputs().iter().map(output).collect::<Result<Vec<_>>>()?;
        let (outputs, forms) = outputs.into_iter().unzip();
        let sessions = std::iter::once(first).chain(opened).map(Mutex::new).collect();
        Ok(Self { signature: Signature { inputs, outputs }, forms, sessions, turn: AtomicUsize::new(0) })
    }

    /// A session that is free, or else the next one to wait for.
    fn session(&self) -> MutexGuard<'_, Session> {
        for session in &self.sessions {
            match session.try_lock() {
                Ok(session) => return session,
                Err(TryLockError::Poisoned(session)) => return session.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.sessions[turn % self.sessions.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Predictor for Onnx {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &str {
        "onnxruntime_onnx"
    }

    fn is_in_process(&self) -> bool {
        true
    }

    fn warm(&self, request: &InferRequest) -> Result<()> {
        self.signature.check(request)?;
        for session in &self.sessions {
            self.run(&mut session.lock().unwrap_or_else(PoisonError::into_inner), request)?;
        }
        Ok(())
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse> {
        self.signature.check(request)?;
        self.run(&mut self.session(), request)
    }
}

impl Onnx {
    fn run(&self, session: &mut Session, request: &InferRequest) -> Result<InferResponse> {
        let inputs: Vec<(Cow<'_, str>, SessionInputValue<'_>)> = request
            .inputs
            .iter()
            .map(|input| Ok((Cow::from(&input.name), value::to_runtime(input)?)))
            .collect::<Result<_>>()?;
        let results = session.run(inputs).context("the model failed on this request")?;
        let outputs = self.signature.outputs.iter().zip(&self.forms).zip(results.values());
        let outputs = outputs.map(|((declared, form), result)| value::from_runtime(&declared.name, *form, &result));
        Ok(InferResponse::of(outputs.collect::<Result<_>>()?, request))
    }
}

fn open_session(environment: &Environment, model: &Path, threads: usize) -> ort::Result<Session> {
    let builder = Session::builder(environment)?.with_intra_threads(threads)?.with_inter_threads(1)?;
    // Threads that spin while they wait for work would take the processor from those that have some.
    builder.with_intra_op_spinning(false)?.commit_from_file(model)
}

fn input(outlet: &Outlet) -> Result<Tensor> {
    match Form::of(outlet.dtype()) {
        Some((Form::Tensor, datatype, shape)) => Ok(tensor(outlet, datatype, shape)),
        _ => Err(Error::failed(format!(
            "the model's input `{}` is a {}, which mlx can't give",
            outlet.name(),
            outlet.dtype()
        ))
        .with_hint("export the model with inputs that are tensors of floats, doubles, integers, booleans or strings")),
    }
}

fn output(outlet: &Outlet) -> Result<(Tensor, Form)> {
    match Form::of(outlet.dtype()) {
        Some((form, datatype, shape)) => Ok((tensor(outlet, datatype, shape), form)),
        None => Err(Error::failed(format!(
            "the model's output `{}` is a {}, which mlx can't read",
            outlet.name(),
            outlet.dtype()
        ))
        .with_hint("export the model with outputs that are tensors; for skl2onnx, with `options={'zipmap': False}`")),
    }
}

fn tensor(outlet: &Outlet, datatype: crate::predictor::Datatype, shape: Vec<i64>) -> Tensor {
    Tensor { name: outlet.name().to_owned(), datatype, shape, columns: Vec::new() }
}
