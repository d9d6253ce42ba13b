//! Connections: each has a bounded time to say what it wants, and ends with its request when the server stops.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::early::Speaking;
use super::http::Client;

/// Once the server stops, connections may be asked for so long yet.
const LAST: Duration = Duration::from_secs(1);
/// How often it is looked whether any are left.
const LOOK: Duration = Duration::from_millis(10);

/// Answers on every connection until `stop` ends, then waits for the requests that have begun. A connection on which no
/// whole head of a request comes within `patience`, the first or the next, is closed: it costs a file. So is one that does
/// not agree on its encryption within that time, or takes nothing of its answer for so long.
pub async fn serve(
    mut listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    patience: Duration,
    stop: impl Future<Output = ()>,
) {
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let (stream, client) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = &mut stop => break,
        };
        // An answer is one small packet that nothing follows.
        let _ = stream.set_nodelay(true);
        let service = Service { inner: TowerToHyperService::new(router.clone()), client };
        match tls.clone() {
            None => drop(tokio::spawn(answer(stream, service, patience, connections.watcher()))),
            Some(tls) => {
                let watcher = connections.watcher();
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = tokio::time::timeout(patience, tls.accept(stream)).await {
                        answer(stream, service, patience, watcher).await;
                    }
                });
            }
        }
    }
    drop(listener);
    // A client that is about to ask once more on its connection gets its answer, which says that it is the last one there;
    // one that asks nothing is let go after a moment.
    let left = async {
        while connections.count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(LAST, left).await;
    connections.shutdown().await;
}

/// Answers the requests of one connection.
async fn answer<S>(stream: S, service: Service, patience: Duration, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let connection = http.serve_connection(TokioIo::new(Speaking::new(stream, patience)), service);
    // A client that goes away is no news.
    let _ = watcher.watch(connection).await;
}

/// The router, told where the requests of this connection come from.
struct Service {
    inner: TowerToHyperService<Router>,
    client: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as hyper::service::Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(Client(self.client));
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    #[test]
    fn who_does_not_take_its_answer_is_given_up() {
        struct Told(std::sync::mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, given_up) = std::sync::mpsc::channel();
        // More than the buffers of a connection take, in pieces that live as long as somebody writes them.
        let endless = move || {
            let told = Told(sender.clone());
            let pieces = futures_util::stream::repeat_with(move || {
                let _ = &told;
                Ok::<_, Infallible>(vec![0_u8; 1 << 20])
            });
            axum::body::Body::from_stream(pieces)
        };
        let router = Router::new().route("/", get(move || std::future::ready(endless())));
        runtime.spawn(serve(listener, None, router, Duration::from_millis(100), std::future::pending()));

        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();

        assert_eq!(given_up.recv_timeout(Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn who_asks_once_more_while_the_server_stops_gets_its_answer() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let ended = async { drop(stopped.await) };
        let server = runtime.spawn(serve(listener, None, router, Duration::from_secs(60), ended));
        let mut stream = TcpStream::connect(address).unwrap();
        let mut answer = vec![0; 1000];
        let mut ask = || {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let count = stream.read(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[..count]).ends_with("hello")
        };
        assert!(ask());

        stop.send(()).unwrap();
        while TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }

        assert!(ask(), "its connection was open");
        drop(stream);
        runtime.block_on(server).unwrap();
    }

    #[test]
    fn who_never_says_what_it_wants_is_turned_away() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(async || "hello"));
        runtime.spawn(serve(listener, None, router, Duration::from_millis(100), std::future::pending()));

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
