//! How `object_store` speaks HTTP here: no redirects, a limit to silence, and refusals that pass told as what they are.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use super::network::{busy, client, direct_client, is_passing};
use crate::remote::RemoteError;

/// A body is expected to get through at this rate at least.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 << 10;

/// Makes clients that give up after so much silence.
#[derive(Debug)]
pub struct Connector {
    pub silence: Duration,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = client()
            .map_err(|error| object_store::Error::Generic { store: "HTTP", source: error.to_string().into() })?;
        let may_be_plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        Ok(HttpClient::new(Service { client, silence: self.silence, may_be_plain }))
    }
}

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    silence: Duration,
    may_be_plain: bool,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Service {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> Answer<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let uri = request.uri();
            let host = uri.host().unwrap_or_default();
            // Whoever has no credentials is sent to ask the machine's cloud, which most machines do not have.
            let is_metadata = host.starts_with("169.254.") || host.ends_with("metadata.google.internal");
            if uri.scheme_str() != Some("https") && !self.may_be_plain {
                let plain = RemoteError::Denied(format!("`{host}` is spoken to without encryption"));
                return Err(HttpError::new(HttpErrorKind::Unknown, plain));
            }
            let patience = match is_metadata {
                true => Duration::from_secs(2),
                false => {
                    self.silence
                        + Duration::from_secs(request.body().content_length() as u64 / SLOWEST_BYTES_PER_SECOND)
                }
            };
            let refused = |error: RemoteError| HttpError::new(HttpErrorKind::Unknown, error);
            let client = match is_metadata {
                true => direct_client().map_err(|error| refused(RemoteError::Transient(error.to_string())))?,
                false => self.client.clone(),
            };
            match tokio::time::timeout(patience, HttpService::call(&client, request)).await {
                Ok(Ok(response)) if response.status().is_success() => Ok(response),
                _ if is_metadata => Err(refused(RemoteError::Denied("there are no credentials".into()))),
                Ok(Ok(response)) if is_passing(response.status()) => {
                    Err(refused(busy(response.status(), response.headers())))
                }
                Ok(answer) => answer,
                Err(_) => Err(refused(RemoteError::Transient(format!("no answer within {} s", patience.as_secs())))),
            }
        })
    }
}
