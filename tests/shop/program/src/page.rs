//! The page as text: what is sold, or that nothing can be said of it now, and the commit below.

use crate::store::Product;

const PAGE: &str = include_str!("page.html");

/// The page with what is sold.
pub(crate) fn open(products: &[Product], commit: &str) -> String {
    let items: String = products.iter().map(item).collect();
    page(&format!("<ul>\n{items}</ul>\n"), commit)
}

/// The page for when the API does not answer.
pub(crate) fn closed(commit: &str) -> String {
    let notice = "The shutters are down: the stock cannot be reached. Try again in a moment.";
    page(&format!("<p class=\"notice\" role=\"status\">{notice}</p>\n"), commit)
}

/// What visitors or the database wrote goes in last, so that no word of it is taken for a place.
fn page(content: &str, commit: &str) -> String {
    PAGE.replace("HUE", &hue(commit).to_string())
        .replace("COMMIT", &escaped(commit))
        .replace("CONTENT", content)
}

fn item(product: &Product) -> String {
    format!(
        "<li>\n<h2>{}</h2>\n<p>{}</p>\n<p class=\"price\">€{}.{:02}</p>\n</li>\n",
        escaped(&product.name),
        escaped(&product.description),
        product.cents / 100,
        product.cents % 100,
    )
}

/// A colour for each commit, so that a new one is seen at a glance. It carries no text.
fn hue(commit: &str) -> u32 {
    commit.bytes().fold(0, |hue, byte| (hue * 31 + u32::from(byte)) % 360)
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{Product, closed, open};

    #[test]
    fn page_shows_products_and_the_commit_as_plain_text() {
        let product = Product {
            name: "<b>Lamp</b> & COMMIT".to_owned(),
            description: "\"Bright\"".to_owned(),
            cents: 1205,
        };
        let page = open(&[product], "a1b2");
        assert!(page.contains("<h2>&lt;b&gt;Lamp&lt;/b&gt; &amp; COMMIT</h2>"), "{page}");
        assert!(page.contains("<p>&quot;Bright&quot;</p>") && page.contains("€12.05"), "{page}");
        assert!(page.contains("<code>a1b2</code>"), "{page}");
    }

    #[test]
    fn page_leaves_no_place_empty() {
        let page = closed("a1b2");
        assert!(["HUE", "COMMIT", "CONTENT"].iter().all(|place| !page.contains(place)), "{page}");
    }
}
