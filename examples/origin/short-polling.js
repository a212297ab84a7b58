// ショートポーリング: 定期的にAPIを叩く
setInterval(async () => {
  const messages = await fetch('/api/messages');
  // 更新があっても、なくても、5秒ごとにリクエスト
}, 5000);
