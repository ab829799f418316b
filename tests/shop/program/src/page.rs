//! The page as text: what is sold, or that nothing can be said of it now, and the commit below.

use crate::{stamp::Stamp, store::Product};

const PAGE: &str = include_str!("page.html");

/// The page with what is sold.
pub(crate) fn open(products: &[Product], stamp: &Stamp) -> String {
    let items: String = products.iter().map(item).collect();
    page(&format!("<ul>\n{items}</ul>\n"), stamp)
}

/// The page for when the API does not answer.
pub(crate) fn closed(stamp: &Stamp) -> String {
    let notice = "The shutters are down: the stock cannot be reached. Try again in a moment.";
    page(&format!("<p class=\"notice\" role=\"status\">{notice}</p>\n"), stamp)
}

/// What visitors or the database wrote goes in last, so that no word of it is taken for a place.
fn page(content: &str, stamp: &Stamp) -> String {
    PAGE.replace("HUE", &hue(&stamp.commit).to_string())
        // A button of another kind sends nothing.
        .replace("KIND", if stamp.dumb { "button" } else { "submit" })
        .replace("COMMIT", &escaped(&stamp.commit))
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
    use super::{Product, Stamp, closed, open};

    fn stamp(dumb: bool) -> Stamp {
        Stamp { commit: "a1b2".to_owned(), broken: None, dumb }
    }

    #[test]
    fn page_shows_products_and_the_commit_as_plain_text() {
        let product = Product {
            name: "<b>Lamp</b> & COMMIT".to_owned(),
            description: "\"Bright\"".to_owned(),
            cents: 1205,
        };
        let page = open(&[product], &stamp(false));
        assert!(page.contains("<h2>&lt;b&gt;Lamp&lt;/b&gt; &amp; COMMIT</h2>"), "{page}");
        assert!(page.contains("<p>&quot;Bright&quot;</p>") && page.contains("€12.05"), "{page}");
        assert!(page.contains("<code>a1b2</code>"), "{page}");
    }

    #[test]
    fn page_leaves_no_place_empty() {
        let page = closed(&stamp(true));
        assert!(page.contains("<button type=\"button\">"), "{page}");
        assert!(
            ["HUE", "KIND", "COMMIT", "CONTENT"].iter().all(|place| !page.contains(place)),
            "{page}"
        );
    }
}
