//! From a bucket's URL and the environment to an object store: where the clouds' own tools look, we look.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::{Host, Url};

use super::aws::Profile;
use super::cloud::{Cloud, misconfigured};
use super::connector::Connector;
use crate::fs::escape;
use crate::remote::Access;
use crate::remote::location::{Bucket, Provider, without_secrets};
use crate::{Error, Result};

/// Opens a bucket; nothing is sent yet.
pub fn open(bucket: Bucket, access: &Access) -> Result<Cloud> {
    let (store, endpoint, source) = match bucket.provider {
        Provider::Aws => aws(&bucket, access)?,
        Provider::Google => google(&bucket, access)?,
        Provider::Azure => azure(&bucket, access)?,
    };
    let scheme = match bucket.provider {
        Provider::Aws => "s3",
        Provider::Google => "gs",
        Provider::Azure => "az",
    };
    let remedy = match bucket.provider {
        Provider::Aws => format!(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or choose a profile of ~/.aws with AWS_PROFILE or {}",
            access.variable_name("profile")
        ),
        Provider::Google => "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS".into(),
        Provider::Azure => "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY (or a SAS token)".into(),
    };
    let Bucket { name, prefix, account, .. } = bucket;
    let slash = if prefix.is_empty() { "" } else { "/" };
    // The same name at another address is another bucket.
    let place = match (&endpoint, &account) {
        (Some(endpoint), _) => format!(" at {}", without_secrets(endpoint.trim_end_matches('/'))),
        (None, Some(account)) => format!(" of account {account}"),
        (None, None) => String::new(),
    };
    let shown = format!("{scheme}://{name}{slash}{prefix}{place}");
    Ok(Cloud::new(store, prefix, shown, (source, remedy), access))
}

/// The first of these variables that is set, for who wants to know where credentials came from.
fn first(names: &[&str], access: &Access) -> Option<String> {
    names.iter().find(|name| access.variable(name).is_some()).map(|name| (*name).to_owned())
}

/// The store, the endpoint where one is named, and where the credentials came from.
type Opened = (Arc<dyn ObjectStore>, Option<String>, Option<String>);

/// Retrying stands above all back-ends.
fn no_retry() -> RetryConfig {
    RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() }
}

/// The variables with a prefix, named as `object_store` has them.
fn variables<'a>(access: &'a Access, prefix: &'a str) -> impl Iterator<Item = (String, &'a str)> {
    let named = access.variables.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
    named.map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
}

fn aws(bucket: &Bucket, access: &Access) -> Result<Opened> {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in variables(access, "AWS_") {
        if let Ok(key) = name.parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // A profile named for this remote comes before keys in variables; one that AWS_PROFILE names comes after them.
    let own = access.setting("profile");
    let has_keys = access.variable("AWS_ACCESS_KEY_ID").is_some();
    let profile = match own {
        None if has_keys => Profile::default(),
        own => Profile::read(own.or_else(|| access.variable("AWS_PROFILE")), access)?,
    };
    let source = match (&profile.keys, own, access.variable("AWS_PROFILE")) {
        (Some(_), own, named) => {
            let by = access.source_of("profile").or_else(|| named.map(|_| "AWS_PROFILE".to_owned()));
            let by = by.map_or(String::new(), |by| format!(", which {by} names"));
            Some(format!("profile `{}`{by}", escape(own.or(named).unwrap_or("default").as_bytes())))
        }
        (None, ..) => has_keys.then(|| "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into()),
    };
    if let Some((id, secret)) = &profile.keys {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        if let Some(token) = &profile.token {
            builder = builder.with_token(token);
        } else if own.is_some() && access.variable("AWS_SESSION_TOKEN").is_some() {
            return Err(Error::usage("AWS_SESSION_TOKEN is set, and the profile has keys without a token")
                .with_hint("unset AWS_SESSION_TOKEN"));
        }
    }
    let variable = |names: [&str; 2]| names.iter().find_map(|name| access.variable(name)).map(str::to_owned);
    let region = access.setting("region").map(str::to_owned);
    let region = region.or_else(|| variable(["AWS_REGION", "AWS_DEFAULT_REGION"])).or(profile.region);
    let endpoint = access.setting("endpoint").map(str::to_owned);
    let endpoint = endpoint.or_else(|| variable(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])).or(profile.endpoint);
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &endpoint {
        let may_be_plain = may_be_plain(endpoint, access.variable("AWS_ALLOW_HTTP"), "AWS_ALLOW_HTTP=true")?;
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint).with_allow_http(may_be_plain);
    }
    let store = builder
        .with_bucket_name(&bucket.name)
        .with_retry(no_retry())
        .with_http_connector(Connector { silence: access.patience.silence })
        .build()
        .map_err(|error| misconfigured(&error))?;
    Ok((Arc::new(store), endpoint, source))
}

fn google(bucket: &Bucket, access: &Access) -> Result<Opened> {
    let mut builder = GoogleCloudStorageBuilder::new();
    for (name, value) in variables(access, "GOOGLE_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = access.setting("endpoint").map(str::to_owned);
    if let Some(endpoint) = &endpoint {
        may_be_plain(endpoint, None, "https://")?;
        builder = builder.with_base_url(endpoint);
    }
    let options = object_store::ClientOptions::new().with_allow_http(endpoint.is_some());
    let store = builder
        .with_client_options(options)
        .with_bucket_name(&bucket.name)
        .with_retry(no_retry())
        .with_http_connector(Connector { silence: access.patience.silence })
        .build()
        .map_err(|error| misconfigured(&error))?;
    let names = [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_PATH",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
    ];
    Ok((Arc::new(store), endpoint, first(&names, access)))
}

fn azure(bucket: &Bucket, access: &Access) -> Result<Opened> {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in variables(access, "AZURE_") {
        if let Ok(key) = name.parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = access.setting("account").or(bucket.account.as_deref()) {
        builder = builder.with_account(account);
    }
    let endpoint = access.setting("endpoint").or_else(|| access.variable("AZURE_STORAGE_ENDPOINT")).map(str::to_owned);
    if let Some(endpoint) = &endpoint {
        let plain = may_be_plain(endpoint, access.variable("AZURE_ALLOW_HTTP"), "AZURE_ALLOW_HTTP=true")?;
        builder = builder.with_endpoint(endpoint.clone()).with_allow_http(plain);
    }
    let store = builder
        .with_container_name(&bucket.name)
        .with_retry(no_retry())
        .with_http_connector(Connector { silence: access.patience.silence })
        .build()
        .map_err(|error| misconfigured(&error))?;
    let names = [
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_SAS_KEY",
        "AZURE_CLIENT_SECRET",
    ];
    Ok((Arc::new(store), endpoint, first(&names, access)))
}

/// Whether an endpoint is spoken to without encryption: on this machine, or because the user says so.
fn may_be_plain(endpoint: &str, allowed: Option<&str>, how: &str) -> Result<bool> {
    let shown = || without_secrets(endpoint);
    let url = Url::parse(endpoint).map_err(|error| Error::usage(format!("the endpoint `{}`: {error}", shown())))?;
    if url.scheme() == "https" {
        return Ok(false);
    }
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match is_here || allowed == Some("true") {
        true => Ok(true),
        false => Err(Error::usage(format!("the endpoint `{}` is spoken to without encryption", shown()))
            .with_hint(format!("use https, or say that you want it: {how}"))),
    }
}
