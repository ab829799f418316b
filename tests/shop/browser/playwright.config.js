// How every spec in /e2e/specs is run: E2E_URL says where to look, and what there is to show is left in E2E_OUT.
const { defineConfig } = require("@playwright/test");

const out = process.env.E2E_OUT || "/tmp/out";

module.exports = defineConfig({
  testDir: "specs",
  outputDir: `${out}/results`,
  reporter: [["list"], ["junit", { outputFile: `${out}/junit.xml` }]],
  timeout: Number(process.env.E2E_TIMEOUT_SECONDS || 120) * 1000,
  workers: 1,
  use: {
    baseURL: process.env.E2E_URL,
    launchOptions: { executablePath: "/usr/bin/chromium-headless-shell" },
    screenshot: "only-on-failure",
    trace: "retain-on-failure",
  },
});
