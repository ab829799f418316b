// What every commit of the shop must do for a person with a browser.
const { test, expect } = require("@playwright/test");

test("the shelves are full", async ({ page }) => {
  const answer = await page.goto("/");
  expect(answer.status()).toBe(200);
  await expect(page.getByRole("heading", { name: "Ghost light" })).toBeVisible();
  await expect(page.locator("main li")).toHaveCount(6);
});

test("whoever says a line hears it again", async ({ page }) => {
  await page.goto("/");
  await expect(page.locator("#socket")).toHaveText("connected");
  await page.getByLabel("Your line").fill("To be");
  await page.getByRole("button", { name: "Say it" }).click();
  await expect(page.locator("#answer"), "the answer below the button").toHaveText("To be");
});
