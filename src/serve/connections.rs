//! Connections: each has a bounded time to say what it wants, and ends with its request when the server stops.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;

use super::early::Speaking;

/// Answers on every connection until `stop` ends, then waits for the requests that have begun. A connection on which no
/// whole head of a request comes within `patience`, the first or the next, is closed: it costs a file.
pub async fn serve(mut listener: TcpListener, router: Router, patience: Duration, stop: impl Future<Output = ()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let stream = tokio::select! {
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = &mut stop => break,
        };
        // An answer is one small packet that nothing follows.
        let _ = stream.set_nodelay(true);
        let connection =
            http.serve_connection(TokioIo::new(Speaking::new(stream)), TowerToHyperService::new(router.clone()));
        tokio::spawn(connections.watch(connection));
    }
    drop(listener);
    connections.shutdown().await;
}

/// Takes all the files that the system lets this process have; the usual first limit is a thousand connections.
pub fn allow_many() {
    let limit = getrlimit(Resource::Nofile);
    // A server with fewer connections is a server all the same.
    let _ = setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    #[test]
    fn who_never_says_what_it_wants_is_turned_away() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        runtime.spawn(serve(listener, router, Duration::from_millis(100), std::future::pending()));

        for (sent, expected) in [
            ("", ""),
            ("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", ""),
            ("PRI * HTTP/2.0\r\n", ""),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(sent.as_bytes()).unwrap();
            let mut answer = String::new();
            // Ends because the server closes the connection, at once or when its patience is over.
            let _ = stream.read_to_string(&mut answer);
            assert!(answer.ends_with(expected) && answer.contains("200 OK") != expected.is_empty(), "{sent}: {answer}");
        }
    }
}
