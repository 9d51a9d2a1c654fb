// Also for work on the page: `npx vite packages/explorer/app`, with `#http://localhost:5000/` in the address.
import { defineConfig } from "vite"

const packages = new URL("../../", import.meta.url).pathname

export default defineConfig({
  base: "./",
  resolve: {
    alias: [
      { find: /^@effect-oci\/([a-z0-9-]+)\/(\w+)$/, replacement: `${packages}$1/src/$2.ts` },
      // The list of public suffixes is larger than the page. Without it, the user confirms each foreign token server.
      { find: /^tldts$/, replacement: new URL("./domains.ts", import.meta.url).pathname }
    ]
  },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    assetsDir: "explorer",
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
    outDir: "../dist/page"
  }
})
