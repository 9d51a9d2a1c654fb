/**
 * A PostgreSQL server for tests: the programs of Debian's package, with a database of its own in a temporary directory.
 * It does not touch the server of the system. Its connections come over a Unix socket, or over a free port of 127.0.0.1.
 * The server ends with its scope, and with the process that started it, even if that process is killed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as NodeChild from "./NodeChild.js"
import * as NodePeers from "./NodePeers.js"

const run = promisify(execFile)

/** Where Debian installs PostgreSQL: a directory for each version. */
const installed = "/usr/lib/postgresql"

/** Returns the directory of the programs of the newest version, or `undefined` if PostgreSQL is not installed. */
const findPrograms = (): string | undefined => {
  const versions = existsSync(installed) ? readdirSync(installed).map(Number).filter(Number.isFinite) : []
  return versions.sort((a, b) => b - a)
    .map((version) => join(installed, String(version), "bin"))
    .find((programs) => existsSync(join(programs, "postgres")) && existsSync(join(programs, "initdb")))
}

/** PostgreSQL does not run as root: then the user `postgres` runs it. */
const findUser = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync("/etc/passwd", "utf8").split("\n").find((text) => text.startsWith("postgres:"))
  const [, , uid, gid] = line?.split(":") ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/**
 * Whether PostgreSQL is installed.
 *
 * @since 0.1.0
 * @category getters
 */
export const available: boolean = findPrograms() !== undefined

/**
 * The server did not start. `output` is its log.
 *
 * @since 0.1.0
 * @category errors
 */
export class PostgresFailed extends Data.TaggedError("PostgresFailed")<{
  readonly reason: string
  readonly output: string
}> {
  override get message(): string {
    return `cannot start PostgreSQL: ${this.reason}\n${this.output.trim()}`
  }
}

/**
 * Options for {@link make}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Whether a commit waits for the disk. Without it, a crash of the machine destroys the database, and tests are faster.
   *
   * @default false
   */
  readonly fsync?: boolean | undefined
  /**
   * Whether the server listens on a free port of 127.0.0.1, in addition to its Unix socket.
   *
   * @default false
   */
  readonly tcp?: boolean | undefined
  /** More settings, such as `max_connections`. Default: 100 connections. */
  readonly settings?: { readonly [name: string]: string | number } | undefined
}

/**
 * A running server.
 *
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** The options of a `Pool` or a `Client` of the package `pg`. */
  readonly config: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly database: string
  }
  /** The same as a URL. */
  readonly url: string
  /** Returns the process id of the server. */
  readonly pid: Effect.Effect<number>
  /** Ends all connections and the server, and starts the server again with the same database and the same port. */
  readonly restart: (how: "fast" | "kill") => Effect.Effect<void, PostgresFailed>
}

/** A server in a directory, and what is needed to start it again. */
class Running {
  private child: NodeChild.Child | undefined

  constructor(
    private readonly programs: string,
    private readonly directory: string,
    private readonly user: ReturnType<typeof findUser>,
    private readonly settings: ReadonlyArray<string>,
    private readonly socket: string,
    private readonly scope: Scope.Scope
  ) {}

  get pid(): number {
    return this.child?.pid ?? 0
  }

  readonly create: Effect.Effect<void, PostgresFailed> = Effect.suspend(() => {
    const args = ["-D", join(this.directory, "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"]
    return Effect.tryPromise({
      try: () => run(join(this.programs, "initdb"), args, { cwd: this.directory, ...this.user }),
      catch: (error) => new PostgresFailed({ reason: String(error), output: "" })
    })
  })

  /** Starts the server, and returns when it accepts connections. */
  readonly start: Effect.Effect<void, PostgresFailed> = Effect.gen(this, function*() {
    const program = join(this.programs, "postgres")
    const child = yield* NodeChild.start(program, ["-D", join(this.directory, "data"), ...this.settings], {
      cwd: this.directory,
      user: this.user,
      endSignal: "SIGINT",
      patience: 60_000
    }).pipe(Scope.extend(this.scope))
    this.child = child
    yield* Effect.tapError(this.answering(child), () => this.stop("SIGQUIT"))
  })

  private answering(child: NodeChild.Child): Effect.Effect<void, PostgresFailed> {
    const failed = (reason: string) => Effect.suspend(() => new PostgresFailed({ reason, output: child.output() }))
    return Effect.promise(() => this.accepts()).pipe(
      Effect.repeat({ until: (accepts) => accepts, schedule: Schedule.spaced(20) }),
      Effect.raceFirst(Effect.zipRight(child.ended, failed("it ended"))),
      Effect.timeoutTo({
        duration: "20 seconds",
        onSuccess: () => Effect.void,
        onTimeout: () => failed("it did not answer in 20 seconds")
      }),
      Effect.flatten,
      // The clock of a test may stand still.
      Effect.withClock(Clock.make())
    )
  }

  /** Whether the server accepts connections. It refuses the start of a session with "E" while it starts. */
  private accepts(): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isReady: boolean) => {
        connection.destroy()
        resolve(isReady)
      }
      const connection = connect(this.socket)
      connection.on("error", () => end(false))
      connection.on("close", () => end(false))
      connection.on("connect", () => connection.write(startup))
      connection.on("data", (data) => end(data[0] === "R".charCodeAt(0)))
    })
  }

  stop(signal: "SIGINT" | "SIGQUIT"): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.child?.signal(signal)
      return this.child?.ended ?? Effect.void
    })
  }
}

/** The first message of a connection: version 3.0, the user and the database `postgres`. */
const startup = (() => {
  const body = Buffer.from("\0\x03\0\0user\0postgres\0database\0postgres\0\0", "latin1")
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length + 4)
  return Buffer.concat([length, body])
})()

/**
 * Starts a server with an empty database. It stops when the scope closes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Server, PostgresFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const programs = findPrograms()
    if (programs === undefined) return yield* new PostgresFailed({ reason: "it is not installed", output: "" })
    const user = findUser()
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => {
        const created = mkdtempSync(join(tmpdir(), "effect-oci-pg-"))
        if (user !== undefined) chownSync(created, user.uid, user.gid)
        return created
      }),
      (created) => Effect.sync(() => rmSync(created, { recursive: true, force: true }))
    )
    const port = options.tcp === true ? yield* NodePeers.freePort : 5432
    const settings = {
      max_connections: 100,
      ...options.settings,
      fsync: options.fsync === true ? "on" : "off",
      port,
      listen_addresses: options.tcp === true ? "127.0.0.1" : "",
      unix_socket_directories: directory
    }
    const running = new Running(
      programs,
      directory,
      user,
      Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
      join(directory, `.s.PGSQL.${port}`),
      yield* Effect.scope
    )
    yield* running.create
    yield* running.start
    const host = options.tcp === true ? "127.0.0.1" : directory
    const address = options.tcp === true ? `127.0.0.1:${port}/postgres` : `/postgres?host=${encodeURIComponent(host)}`
    return {
      config: { host, port, user: "postgres", database: "postgres" },
      url: `postgresql://postgres@${address}`,
      pid: Effect.sync(() => running.pid),
      restart: (how) => Effect.zipRight(running.stop(how === "fast" ? "SIGINT" : "SIGQUIT"), running.start)
    }
  })
