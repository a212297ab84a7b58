// ロングポーリング: サーバーが更新まで待機
async function longPoll() {
  const response = await fetch('/api/messages/wait');  // サーバーは更新まで応答しない
  handleMessages(response);
  longPoll();  // 再接続
}
