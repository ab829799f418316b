// What a person sees of the shop in a browser: while it is awake and a commit comes, and when it was asleep.
const { test, expect } = require("@playwright/test");

const OUT = process.env.E2E_OUT || "/tmp/out";
// How long a page must have been left in peace before the commit E2E_NEXT came.
const PEACE_SECONDS = Number(process.env.E2E_PEACE_SECONDS || 0);

const shot = (page, name) => page.screenshot({ path: `${OUT}/${name}.png`, fullPage: true });

// The socket answers, word for word, and the stream goes on.
async function expectLive(page) {
  await expect(page.locator("#socket")).toHaveText("connected");
  const line = "“To be”, said Жанна & <b>Åse</b>";
  await page.getByLabel("Your line").fill(line);
  await page.getByRole("button", { name: "Say it" }).click();
  await expect(page.locator("#answer")).toHaveText(line);
  await expect(page.locator("#stream")).toHaveText("connected");
  const events = async () => Number(await page.locator("#event").getAttribute("data-count"));
  await expect.poll(events).toBeGreaterThanOrEqual(3);
}

test("awake: the page is live, and comes back by itself when a commit replaces what it was connected to", async ({ page }) => {
  const sockets = [];
  page.on("websocket", socket => {
    const one = { opened: Date.now() };
    sockets.push(one);
    socket.on("close", () => { one.closed = Date.now(); });
  });
  const answer = await page.goto("/");
  expect(answer.status()).toBe(200);
  await expect(page.locator("#answer")).toHaveText(/^6 products, commit [0-9a-f]{40}$/);
  await expectLive(page);
  await shot(page, "awake");
  console.log("the page is live");

  await expect.poll(() => sockets.length, { timeout: 60_000 }).toBeGreaterThan(1);
  await expect(page.locator("#event")).toContainText(process.env.E2E_NEXT, { timeout: 30_000 });
  await expectLive(page);
  const lasted = (sockets[0].closed - sockets[0].opened) / 1000;
  console.log(`measured: the first socket lasted ${lasted.toFixed(1)} s; ${sockets.length} were opened in all`);
  expect(lasted).toBeGreaterThan(PEACE_SECONDS);
});

test("asleep: a page tells to wait, and becomes the shop by itself", async ({ page }) => {
  const began = Date.now();
  const answers = [];
  page.on("response", answer => {
    if (answer.request().isNavigationRequest()) answers.push(answer.status());
  });
  const titles = [];
  // A page that is left before it was asked has none.
  page.on("domcontentloaded", () => page.title().then(title => titles.push(title), () => {}));
  const first = await page.goto("/");
  expect(first.status()).toBe(503);
  expect(first.headers()["content-type"]).toContain("text/html");
  await expect(page).toHaveTitle("Waking up");
  await shot(page, "asleep");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 700 });
  await shot(page, "asleep-small");

  // From here on the page is only looked at.
  await expect(page).toHaveTitle("The Prompt Corner", { timeout: 60_000 });
  console.log(`measured: the shop after ${((Date.now() - began) / 1000).toFixed(1)} s; answers: ${answers}; titles: ${titles.join(", ")}`);
  await expectLive(page);
  await shot(page, "woken");
  expect(answers.pop()).toBe(200);
  expect(new Set(answers)).toEqual(new Set([503]));
});
