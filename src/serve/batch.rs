//! Several requests asked as one: what waits is put together, as many rows as a batch may have, and taken apart again.
//!
//! A request never waits for others unless they are on their way: one whose body is being received while this one is here is
//! waited for, at most as long as the user allows. A client that asks one thing after the other is thus never slowed down.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::Release;
use crate::predictor::{Elements, InferRequest, InferResponse, NamedTensor, Predictor, Signature, Tensor, matches};
use crate::{Error, Result};

/// How requests are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// So many rows are asked at once; a request that has more alone is asked alone.
    pub max_rows: usize,
    /// So long a request waits for others that are on their way.
    pub max_delay: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { max_rows: 1, max_delay: Duration::ZERO }
    }
}

impl Batching {
    /// Whether anything is put together.
    pub fn is_on(&self) -> bool {
        self.max_rows > 1
    }

    /// Refuses a model whose rows can't be asked together, by its signature and by its recorded rows.
    pub fn check(&self, release: &Release) -> Result<()> {
        let name = &release.description.model.name;
        let refused = |why: String| {
            Error::usage(format!("requests of `{name}` can't be put together: {why}"))
                .with_hint("serve it without `--max-batch`")
        };
        let Signature { inputs, outputs } = &release.signature;
        let is_fixed = |tensor: &&Tensor| tensor.shape.first().is_none_or(|length| *length >= 0);
        if let Some(tensor) = inputs.iter().chain(outputs).find(is_fixed) {
            return Err(refused(format!("the first dimension of `{}` is not of any length", tensor.name)));
        }
        let Some(smoke) = &release.description.smoke else { return Ok(()) };
        let together: InferRequest = serde_json::from_value(smoke.request.clone())
            .map_err(|error| Error::failed(format!("the recorded request can't be read: {error}")))?;
        let Some(rows) = rows_of(&together) else {
            return Err(refused("the recorded request has inputs of different lengths".into()));
        };
        let apart: Vec<InferRequest> = (0..rows).map(|row| part_of(&together, row..row + 1)).collect();
        let joined = release.predictor.infer(&together)?;
        let Some(split) = split(&joined, &vec![1; rows]) else {
            return Err(refused("its outputs have another length than its inputs".into()));
        };
        for (index, (request, expected)) in apart.iter().zip(split).enumerate() {
            let alone = release.predictor.infer(request)?;
            let as_json = |response: &InferResponse| serde_json::to_value(response).unwrap_or_default();
            matches(&as_json(&expected), &as_json(&alone), smoke.tolerance)
                .map_err(|difference| refused(format!("row {index} alone gets another answer: {difference}")))?;
        }
        Ok(())
    }

    /// Until when the first request of a batch waits.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.max_delay
    }
}

/// How many rows the request has: the first dimension of all of its inputs.
pub fn rows_of(request: &InferRequest) -> Option<usize> {
    let rows = *request.inputs.first()?.shape.first()?;
    request.inputs.iter().all(|input| input.shape.first() == Some(&rows)).then_some(rows)
}

/// Answers these requests, which fit the signature, with as few questions as can be; in their order.
pub fn infer(predictor: &dyn Predictor, requests: &[InferRequest]) -> Vec<Result<InferResponse>> {
    let mut groups: Vec<(Likeness<'_>, Vec<usize>)> = Vec::new();
    let mut answers: Vec<Option<Result<InferResponse>>> = Vec::new();
    answers.resize_with(requests.len(), || None);
    for (index, request) in requests.iter().enumerate() {
        let Some(likeness) = Likeness::of(request, predictor.signature()) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == likeness) {
            Some((_, members)) => members.push(index),
            None => groups.push((likeness, vec![index])),
        }
    }
    for members in groups.into_iter().map(|(_, members)| members).filter(|members| members.len() > 1) {
        let joined: Vec<&InferRequest> = members.iter().map(|index| &requests[*index]).collect();
        // What goes wrong together may go right alone, and must not cost those who did nothing wrong.
        if let Some(parts) = infer_joined(predictor, &joined) {
            for (index, part) in members.into_iter().zip(parts) {
                answers[index] = Some(Ok(InferResponse::of(part.outputs, &requests[index])));
            }
        }
    }
    let alone = |(answer, request): (Option<_>, &InferRequest)| answer.unwrap_or_else(|| predictor.infer(request));
    answers.into_iter().zip(requests).map(alone).collect()
}

/// Requests with the same one can be asked together.
#[derive(PartialEq)]
struct Likeness<'a> {
    /// The dimensions of a row of each input of the signature.
    inner: Vec<&'a [usize]>,
    parameters: &'a Map<String, Value>,
}

impl<'a> Likeness<'a> {
    fn of(request: &'a InferRequest, signature: &Signature) -> Option<Self> {
        rows_of(request)?;
        let inner = |input: &Tensor| {
            request.inputs.iter().find(|other| other.name == input.name).map(|other| &other.shape[1..])
        };
        let inner = signature.inputs.iter().map(inner).collect::<Option<_>>()?;
        Some(Self { inner, parameters: &request.parameters })
    }
}

fn infer_joined(predictor: &dyn Predictor, requests: &[&InferRequest]) -> Option<Vec<InferResponse>> {
    let rows: Vec<usize> = requests.iter().filter_map(|request| rows_of(request)).collect();
    let join = |input: &Tensor| {
        let parts = requests.iter().filter_map(|request| request.inputs.iter().find(|part| part.name == input.name));
        let mut data = Elements::with_capacity(input.datatype, 0);
        let mut shape = Vec::new();
        for part in parts {
            shape.clone_from(&part.shape);
            data.append(&part.data);
        }
        *shape.first_mut()? = rows.iter().sum();
        Some(NamedTensor { name: input.name.clone(), shape, data })
    };
    let inputs = predictor.signature().inputs.iter().map(join).collect::<Option<Vec<_>>>()?;
    let parameters = requests.first()?.parameters.clone();
    let joined = InferRequest { inputs, parameters, ..InferRequest::default() };
    split(&predictor.infer(&joined).ok()?, &rows)
}

/// The answer in parts of so many rows; `None` where an output has not one row for each of the request.
fn split(response: &InferResponse, rows: &[usize]) -> Option<Vec<InferResponse>> {
    let total: usize = rows.iter().sum();
    if response.outputs.iter().any(|output| output.shape.first() != Some(&total)) {
        return None;
    }
    let mut start = 0;
    let part = |rows: &usize| {
        let range = start..start + rows;
        start += rows;
        InferResponse { outputs: response.outputs.iter().map(|output| part_of_tensor(output, range.clone())).collect() }
    };
    Some(rows.iter().map(part).collect())
}

fn part_of(request: &InferRequest, rows: std::ops::Range<usize>) -> InferRequest {
    let inputs = request.inputs.iter().map(|input| part_of_tensor(input, rows.clone())).collect();
    InferRequest { inputs, ..request.clone() }
}

fn part_of_tensor(tensor: &NamedTensor, rows: std::ops::Range<usize>) -> NamedTensor {
    let width: usize = tensor.shape[1..].iter().product();
    let mut shape = tensor.shape.clone();
    shape[0] = rows.len();
    NamedTensor { name: tensor.name.clone(), shape, data: tensor.data.part(rows.start * width..rows.end * width) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::predictor::Datatype;

    /// Doubles its rows, fails on a 13, and counts how often it is asked.
    struct Double {
        signature: Signature,
        questions: AtomicUsize,
    }

    impl Double {
        fn new() -> Self {
            let tensor = |name: &str| Tensor {
                name: name.into(),
                datatype: Datatype::Int64,
                shape: vec![-1, -1],
                columns: vec![],
            };
            let signature = Signature { inputs: vec![tensor("x")], outputs: vec![tensor("y")] };
            Self { signature, questions: AtomicUsize::new(0) }
        }
    }

    impl Predictor for Double {
        fn signature(&self) -> &Signature {
            &self.signature
        }

        fn platform(&self) -> &str {
            "double"
        }

        fn warm(&self, _: &InferRequest) -> Result<()> {
            Ok(())
        }

        fn infer(&self, request: &InferRequest) -> Result<InferResponse> {
            self.questions.fetch_add(1, Ordering::Relaxed);
            let Elements::Int64(list) = &request.inputs[0].data else { panic!("only whole numbers are asked") };
            if list.contains(&13) {
                return Err(Error::failed("13"));
            }
            let data = Elements::Int64(list.iter().map(|value| value * 2).collect());
            let outputs = vec![NamedTensor { name: "y".into(), data, ..request.inputs[0].clone() }];
            Ok(InferResponse::of(outputs, request))
        }
    }

    fn request(rows: usize, values: &[i64]) -> InferRequest {
        let (name, shape) = ("x".to_owned(), vec![rows, values.len() / rows]);
        let data = Elements::Int64(values.to_vec());
        InferRequest { inputs: vec![NamedTensor { name, shape, data }], ..InferRequest::default() }
    }

    fn shown(answers: &[Result<InferResponse>]) -> Vec<String> {
        let show = |answer: &Result<InferResponse>| match answer {
            Ok(response) => format!("{:?} {:?}", response.outputs[0].shape, response.outputs[0].data),
            Err(error) => error.to_string(),
        };
        answers.iter().map(show).collect()
    }

    #[test]
    fn what_is_alike_is_asked_at_once_and_each_gets_its_own_rows() {
        let model = Double::new();
        let requests = [request(1, &[1, 2]), request(2, &[3, 4, 5, 6]), request(1, &[7]), request(1, &[8, 9])];

        let answers = infer(&model, &requests);

        let expected =
            ["[1, 2] Int64([2, 4])", "[2, 2] Int64([6, 8, 10, 12])", "[1, 1] Int64([14])", "[1, 2] Int64([16, 18])"];
        assert_eq!(shown(&answers), expected);
        assert_eq!(model.questions.into_inner(), 2);
    }

    #[test]
    fn one_bad_request_costs_the_others_nothing() {
        let model = Double::new();

        let answers = infer(&model, &[request(1, &[1]), request(1, &[13]), request(1, &[2])]);

        assert_eq!(shown(&answers), ["[1, 1] Int64([2])", "13", "[1, 1] Int64([4])"]);
    }
}
