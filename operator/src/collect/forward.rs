//! Ports of the pod's loopback that lead to the edge: the preview's host names stand for loopback inside the pod, and
//! what connects there is carried on as it is. It reads nothing of it.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use super::args::Forward;

/// How many connections there may be in all.
const CONNECTIONS: usize = 512;

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub(super) struct Listen {
    address: SocketAddr,
    source: io::Error,
}

/// Listens on every port, on both loopback addresses where there are both; carries until what it gives is dropped.
pub(super) async fn listen(forwards: &[Forward]) -> Result<JoinSet<()>, Listen> {
    listen_for(forwards, CONNECTIONS).await
}

async fn listen_for(forwards: &[Forward], connections: usize) -> Result<JoinSet<()>, Listen> {
    let room = Arc::new(Semaphore::new(connections));
    let mut tasks = JoinSet::new();
    for forward in forwards {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let address = SocketAddr::new(address, forward.port);
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    tasks.spawn(carry_all(listener, forward.to.clone(), Arc::clone(&room)));
                }
                // A node without IPv6 says either.
                Err(source)
                    if address.is_ipv6()
                        && (source.kind() == ErrorKind::AddrNotAvailable
                            || source.raw_os_error() == Some(AFNOSUPPORT)) => {}
                Err(source) => return Err(Listen { address, source }),
            }
        }
    }
    Ok(tasks)
}

/// "Address family not supported by protocol", for which there is no kind.
const AFNOSUPPORT: i32 = rustix::io::Errno::AFNOSUPPORT.raw_os_error();

async fn carry_all(listener: TcpListener, to: String, room: Arc<Semaphore>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (Ok((stream, _)), Ok(permit)) = (accepted, Arc::clone(&room).acquire_owned().await)
        else {
            // Out of files, most likely: whoever is being served will let go of some.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let to = to.clone();
        connections.spawn(async move {
            carry(stream, &to).await;
            drop(permit);
        });
    }
}

/// Carries both ways until both sides have ended.
async fn carry(mut ours: TcpStream, to: &str) {
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await;
    let mut theirs = match connected {
        Ok(Ok(theirs)) => theirs,
        Ok(Err(error)) => return tracing::warn!("cannot connect to {to}: {error}"),
        Err(_) => return tracing::warn!("no connection to {to} within {} s", PATIENCE.as_secs()),
    };
    let _ = (ours.set_nodelay(true), theirs.set_nodelay(true));
    let _ = copy_bidirectional(&mut ours, &mut theirs).await;
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::{listen, listen_for};
    use crate::collect::args::Forward;

    /// Answers with what it was sent, once the other side has ended.
    async fn echo() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut said = Vec::new();
                    stream.read_to_end(&mut said).await.unwrap();
                    said.reverse();
                    stream.write_all(&said).await.unwrap();
                });
            }
        });
        address
    }

    fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn bytes_are_carried_both_ways_after_one_side_has_ended() {
        let forward = Forward { port: free_port(), to: echo().await };
        let _tasks = listen(std::slice::from_ref(&forward)).await.unwrap();
        let has_ipv6 = TcpListener::bind("[::1]:0").await.is_ok();
        for host in ["127.0.0.1", "::1"].into_iter().filter(|host| has_ipv6 || *host != "::1") {
            let mut stream = TcpStream::connect((host, forward.port)).await.unwrap();
            let sent: Vec<u8> =
                (0..1_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
            stream.write_all(&sent).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer.reverse();
            assert!(answer == sent, "{host}: {} bytes", answer.len());
        }
    }

    #[tokio::test]
    async fn one_more_than_there_is_room_for_waits() {
        let forward = Forward { port: free_port(), to: echo().await };
        let _tasks = listen_for(std::slice::from_ref(&forward), 5).await.unwrap();
        let connect = async || TcpStream::connect(("127.0.0.1", forward.port)).await.unwrap();
        let mut all = Vec::new();
        for _ in 0..5 {
            let mut stream = connect().await;
            stream.write_all(b"ab").await.unwrap();
            all.push(stream);
        }
        let mut late = connect().await;
        late.write_all(b"cd").await.unwrap();
        late.shutdown().await.unwrap();
        let mut answer = String::new();
        let soon = std::time::Duration::from_millis(300);
        assert!(tokio::time::timeout(soon, late.read_to_string(&mut answer)).await.is_err());
        let mut first = all.swap_remove(0);
        first.shutdown().await.unwrap();
        first.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "ba");
        answer.clear();
        late.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "dc");
    }

    #[tokio::test]
    async fn port_that_is_taken_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let refused = listen(&[Forward { port, to: "127.0.0.1:1".to_owned() }]).await.unwrap_err();
        assert!(refused.to_string().starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")));
    }
}
