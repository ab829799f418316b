//! The products, in PostgreSQL: one connection, made anew when it is gone.

use std::{
    env,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};

use crate::{Error, Result};

/// How long a database may take to come up, volume and first start included.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long between two tries.
const PAUSE: Duration = Duration::from_millis(300);

/// The table with what is sold. Two may do it at once, so they take turns.
const MIGRATIONS: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(1);
    CREATE TABLE IF NOT EXISTS products (
        id integer PRIMARY KEY, name text NOT NULL, description text NOT NULL, cents integer NOT NULL
    );
    COMMIT;
";

/// What is sold; what somebody changed in the table stays.
const SEED: &str = "
    INSERT INTO products VALUES
        (1, 'Prompt book', 'Every line, every cue, and wide margins for your own.', 1850),
        (2, 'Ghost light', 'Left burning on an empty stage. Somebody may need it.', 4900),
        (3, 'Spike tape', 'Marks where to stand, in a red you can see from the wings.', 650),
        (4, 'Opera glasses', 'Watch the lead closely. It could be you tomorrow.', 3200),
        (5, 'Quick-change coat', 'Another person in eleven seconds. Three pockets.', 8900),
        (6, 'Throat pastilles', 'Honey and thyme, for whoever goes on instead.', 420)
    ON CONFLICT DO NOTHING;
";

/// Something that is sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    /// Its name.
    pub(crate) name: String,
    /// What it is, in a sentence or two.
    pub(crate) description: String,
    /// Its price.
    pub(crate) cents: i32,
}

/// The database, reached when it is needed.
#[derive(Debug)]
pub(crate) struct Store {
    settings: Config,
    client: Mutex<Option<Arc<Client>>>,
}

impl Store {
    /// Waits for the database that `PGHOST` and `PGPASSWORD` name, until something is sold there.
    pub(crate) async fn open() -> Result<Self> {
        Self::after("SELECT id FROM products LIMIT 0").await
    }

    /// Waits for the database, and makes its tables as this build wants them.
    pub(crate) async fn migrate() -> Result<()> {
        Self::after(MIGRATIONS).await.map(drop)
    }

    /// Waits for the database, and fills it.
    pub(crate) async fn seed() -> Result<()> {
        Self::after(SEED).await.map(drop)
    }

    async fn after(statement: &str) -> Result<Self> {
        let variable = |name: &str| env::var(name).unwrap_or_default();
        let host = Some(variable("PGHOST")).filter(|host| !host.is_empty());
        let mut settings = Config::new();
        settings
            .host(host.as_deref().unwrap_or("db"))
            .user("postgres")
            .password(variable("PGPASSWORD"))
            .connect_timeout(Duration::from_secs(5));
        let store = Self { settings, client: Mutex::new(None) };
        let deadline = Instant::now() + PATIENCE;
        let mut told = false;
        while let Err(error) = store.run(statement).await {
            let why = whole(&error);
            if Instant::now() > deadline {
                return Err(Error::Database { limit: PATIENCE.as_secs(), why });
            }
            if !told {
                println!("waiting for the database: {why}");
                told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(store)
    }

    /// Everything that is sold.
    pub(crate) async fn products(&self) -> Result<Vec<Product>, tokio_postgres::Error> {
        let query = "SELECT name, description, cents FROM products ORDER BY id";
        let rows = self.client().await?.query(query, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(Product {
                    name: row.try_get("name")?,
                    description: row.try_get("description")?,
                    cents: row.try_get("cents")?,
                })
            })
            .collect()
    }

    async fn run(&self, statement: &str) -> Result<(), tokio_postgres::Error> {
        self.client().await?.batch_execute(statement).await
    }

    async fn client(&self) -> Result<Arc<Client>, tokio_postgres::Error> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let (client, connection) = self.settings.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("the database went away: {}", whole(&error));
            }
        });
        let client = Arc::new(client);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }
}

/// The error with its cause, which the library keeps to itself.
pub(crate) fn whole(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
