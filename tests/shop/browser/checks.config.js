// The specs that are part of the image, for a check of each commit: what it saw is left in E2E_OUT.
const { defineConfig } = require("@playwright/test");
const base = require("./playwright.config.js");

module.exports = defineConfig({ ...base, testDir: "checks", testMatch: "*.check.js", timeout: 30_000, expect: { timeout: 10_000 } });
