/**
 * Ceph's S3 gateway with a monitor and one OSD in memory, from Debian's packages (see `NodeDebian`). Needs 140 MB of
 * downloads at the first start, and 0.5 GB of memory.
 */
import * as NodeChild from "@effect-oci/testing/NodeChild"
import * as NodeDebian from "@effect-oci/testing/NodeDebian"
import * as NodePeers from "@effect-oci/testing/NodePeers"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { execFile } from "node:child_process"
import { randomUUID } from "node:crypto"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { CannotStart } from "./failures.js"

const exec = promisify(execFile)

const debian: NodeDebian.Options = {
  cache: process.env["CEPH_CACHE"] ?? join(homedir(), ".cache", "effect-oci", "ceph"),
  packages: ["ceph-mon", "ceph-osd", "ceph-base", "ceph-common", "radosgw"]
}

const root = NodeDebian.rootOf(debian)

/** Returns why Ceph cannot run here, or `undefined`. */
export const obstacle = (): string | undefined => {
  const reason = NodeDebian.obstacle(debian)
  return reason === undefined ? undefined : `Ceph: ${reason}`
}

const configuration = (options: { readonly folder: string; readonly monitor: number; readonly port: number }) => `
[global]
fsid = ${randomUUID()}
mon_host = [v1:127.0.0.1:${options.monitor}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_data = ${options.folder}/mon
osd_data = ${options.folder}/osd
run_dir = ${options.folder}
admin_socket = ${options.folder}/$name.asok
log_file = ${options.folder}/$name.log
osd_objectstore = memstore
memstore_device_bytes = 8589934592
osd_class_load_list = *
mon_osd_full_ratio = .99
mon_osd_nearfull_ratio = .98
mon_osd_backfillfull_ratio = .985
mon_data_avail_crit = 1
mon_data_avail_warn = 2
[client.rgw.a]
rgw_gc_obj_min_wait = 2
rgw_gc_processor_period = 2
rgw_gc_processor_max_time = 2
rgw_frontends = beast endpoint=127.0.0.1:${options.port}
`

const inRoot = NodeDebian.inRoot(debian)

const run = (...args: ReadonlyArray<string>) => exec("unshare", [...inRoot, ...args], { timeout: 60_000 })

const attempt = <A>(what: string, promise: () => Promise<A>) =>
  Effect.tryPromise({
    try: promise,
    catch: (error) => new CannotStart({ message: `${what}: ${(error as Error).message}` })
  })

const answers = (port: number) =>
  Effect.tryPromise(() => fetch(`http://127.0.0.1:${port}/`)).pipe(
    Effect.retry(Schedule.spaced(300)),
    Effect.timeoutFail({
      duration: "60 seconds",
      onTimeout: () => new CannotStart({ message: "Ceph's gateway did not answer in 60 seconds" })
    })
  )

/** The credentials that the gateway accepts. */
export const credentials = { accessKeyId: "cluster-key", secretAccessKey: "cluster-secret" }

/** Starts the gateway, and stops it at the end of the scope. `say` reports what takes long. */
export const start = (say: (line: string) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    if (!NodeDebian.isUnpacked(debian)) {
      yield* say(`downloading Ceph's packages (140 MB, once) to ${debian.cache}`)
      yield* attempt("Ceph's packages cannot be unpacked", () => NodeDebian.unpack(debian))
    }
    const port = yield* NodePeers.freePort
    const monitor = yield* NodePeers.freePort
    const folder = `/cluster-${port}`
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (const name of ["mon", "osd"]) mkdirSync(join(root, folder, name), { recursive: true })
        writeFileSync(join(root, folder, "ceph.conf"), configuration({ folder, monitor, port }))
      }),
      () => Effect.sync(() => rmSync(join(root, folder), { recursive: true, force: true }))
    )
    const settings = ["-c", `${folder}/ceph.conf`]
    const daemon = (program: string, ...args: ReadonlyArray<string>) =>
      NodeChild.start("unshare", [...inRoot, program, ...settings, ...args, "-f"])
    const map = `${folder}/monmap`
    yield* attempt("Ceph's monitor cannot be created", async () => {
      const fsid = /^fsid = (.*)$/m.exec(readFileSync(join(root, folder, "ceph.conf"), "utf8"))?.[1] ?? ""
      await run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", `[v1:127.0.0.1:${monitor}]`, map)
      await run("ceph-mon", ...settings, "--mkfs", "-i", "a", "--monmap", map)
    })
    yield* daemon("ceph-mon", "-i", "a")
    yield* attempt("Ceph's OSD cannot be created", async () => {
      await run("ceph-osd", ...settings, "-i", "0", "--mkfs")
      const fsid = readFileSync(join(root, folder, "osd/fsid"), "utf8").trim()
      await run("ceph", ...settings, "--connect-timeout", "30", "osd", "new", fsid)
      await run("ceph", ...settings, "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=h")
    })
    yield* daemon("ceph-osd", "-i", "0")
    yield* daemon("radosgw", "-n", "client.rgw.a")
    yield* answers(port)
    yield* attempt("Ceph's user cannot be created", () =>
      run(
        "radosgw-admin",
        ...settings,
        "user",
        "create",
        "--uid=cluster",
        "--display-name=cluster",
        `--access-key=${credentials.accessKeyId}`,
        `--secret=${credentials.secretAccessKey}`
      ))
    return { endpoint: `http://127.0.0.1:${port}`, ...credentials }
  })
