//! The shop's socket and stream through the edge, byte by byte.

use std::{
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt, future::try_join, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};
use understudy_bed::{Error, Result};

/// A socket through the edge.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// How large a message is, and how many are under way in both directions at once.
const MESSAGE: usize = 1 << 20;
const MESSAGES: usize = 8;

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Bed(format!("live: {error}"))
}

/// Opens the socket of that host; whoever sleeps is woken by it.
pub(crate) async fn open(edge: &str, host: &str) -> Result<Socket> {
    let stream = TcpStream::connect(edge).await.map_err(failed)?;
    let (socket, answer) =
        client_async(format!("ws://{host}/live"), stream).await.map_err(failed)?;
    assert_eq!(answer.status(), 101);
    Ok(socket)
}

/// What is sent comes back as it was: large messages in both directions at once, small ones, empty ones.
pub(crate) async fn echoes(socket: &mut Socket) -> Result<()> {
    let mut bytes = vec![0; MESSAGE * MESSAGES];
    let mut random = File::open("/dev/urandom").map_err(failed)?;
    random.read_exact(&mut bytes).map_err(failed)?;
    let mut said: Vec<Message> =
        bytes.chunks(MESSAGE).map(|chunk| Message::binary(chunk.to_vec())).collect();
    said.extend([Message::binary(Vec::new()), Message::text(""), Message::text("ça va? 🎭")]);
    let began = Instant::now();
    let (mut out, back) = socket.split();
    let mut all = stream::iter(said.clone().into_iter().map(Ok::<_, tungstenite::Error>));
    let heard = async { Ok(back.take(said.len()).collect::<Vec<_>>().await) };
    let ((), heard) = try_join(out.send_all(&mut all), heard).await.map_err(failed)?;
    for (heard, said) in heard.into_iter().zip(&said) {
        assert!(heard.map_err(failed)? == *said, "{} bytes came back otherwise", said.len());
    }
    let took = began.elapsed().as_secs_f64();
    println!("measured: {MESSAGES} random MiB there and back, byte for byte, in {took:.2} s");
    Ok(())
}

/// Hears that many events of the host's stream, each of them when it is told.
pub(crate) async fn hears(edge: &str, host: &str, count: usize) -> Result<()> {
    let mut stream = TcpStream::connect(edge).await.map_err(failed)?;
    let request =
        format!("GET /events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let began = Instant::now();
    let (mut lines, mut came) = (BufReader::new(stream).lines(), Vec::new());
    while came.len() < count {
        let line = lines.next_line().await.map_err(failed)?.ok_or_else(|| failed("it ended"))?;
        if let Some(id) = line.strip_prefix("id: ") {
            assert_eq!(id, (came.len() + 1).to_string());
            came.push(began.elapsed());
        }
    }
    let took: Vec<f64> = came.iter().map(Duration::as_secs_f64).collect();
    println!("measured: {count} events, a second apart, came after {took:.2?} s");
    // Were they gathered, some would come at once.
    for (one, next) in came.iter().zip(came.iter().skip(1)) {
        assert!(next.saturating_sub(*one) > Duration::from_millis(300), "{came:?}");
    }
    Ok(())
}
