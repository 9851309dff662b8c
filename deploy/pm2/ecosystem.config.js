// Toril under PM2: pm2 start deploy/pm2/ecosystem.config.js. docs/deploy.md
// Where it lies, its Python and its port may be said by the environment; what Toril itself reads stands in .env there.
const path = require("path");

const cwd = process.env.TORIL_HOME || path.resolve(__dirname, "../..");
const script = process.env.TORIL_PYTHON || path.join(cwd, ".venv/bin/python");
const port = process.env.PORT || "8000";

const app = (name, args, more) => ({
  name: `toril-${name}`,
  cwd,
  script,
  args,
  interpreter: "none",
  // One each: PM2's cluster is for Node. More workers: --processes.
  exec_mode: "fork",
  instances: 1,
  env: { PYTHONUNBUFFERED: "1" },
  autorestart: true,
  exp_backoff_restart_delay: 200,
  max_restarts: 1000000,
  merge_logs: true,
  time: false,
  ...more,
});

module.exports = {
  apps: [
    app(
      "web",
      ["-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", port, "--ping-interval", "5", "--ping-timeout", "10", "dashboard.asgi:application"],
      { kill_timeout: 15000 },
    ),
    // PM2 kills after 1.6 s where it is not told: jobs have 25 s to finish.
    app("worker", ["manage.py", "runworkers", "--processes", "2"], { kill_timeout: 40000 }),
    app("mirror", ["manage.py", "runmirror"], { kill_timeout: 15000 }),
  ],
};
